"""Passports: files to publish that list the videos of a shard set; and comparisons of two sets by them."""
