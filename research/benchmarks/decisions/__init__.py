"""Is the advice right? Verdicts on one half of the patients against what students gained on the other half."""
