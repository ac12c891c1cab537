"""Evaluate: score every video of a split once, on any number of ranks, and go on after a stop."""
