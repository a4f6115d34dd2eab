"""Criteria that decide whether a teacher's soft targets will help a student."""
