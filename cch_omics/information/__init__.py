"""Mutual information, in nats, from a few hundred samples."""
