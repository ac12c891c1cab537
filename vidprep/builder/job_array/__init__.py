"""Builds without a scheduler: each task of a job array fills its share, the last one makes the set."""
