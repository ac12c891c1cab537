"""Faults of machines, people and files, made on purpose, and what becomes of the work."""
