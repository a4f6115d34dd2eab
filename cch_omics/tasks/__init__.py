"""Kinds of target: how predictions for each are scored and turned into decisions."""
