"""Published figures, their conditions, and ours beside them."""
