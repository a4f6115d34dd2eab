"""What explains and measures, and ships in no wheel: theory, rivals of the criterion, benchmarks."""
