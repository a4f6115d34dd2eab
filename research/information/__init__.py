"""Estimators that only benchmarks and experiments need."""
