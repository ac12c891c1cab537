"""Synthetic raw data: real files in the official layouts, whose classes differ only in motion."""
