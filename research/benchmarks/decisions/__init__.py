"""Is the advice right? Every criterion and its rivals, on every cohort, target, ordered pair and label budget."""
