"""Synthetic raw data: real files in the official layouts, whose classes differ in nothing but motion."""
