"""Compare raw videos with lists of checksums."""
