"""Lists of checksums: what they say of raw videos, and whether it is so."""
