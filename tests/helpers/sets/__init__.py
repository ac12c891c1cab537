"""Shard sets: written by hand with numbered frames, or built as a user builds them."""
