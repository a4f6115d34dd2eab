"""From sources of any kind to a checked cohort, and back from its file."""
