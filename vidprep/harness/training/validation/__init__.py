"""Validation between the epochs of a training, as an evaluation would do it; the best epoch is kept."""
