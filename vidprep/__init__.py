"""vidprep: from raw videos to WebDataset shards and a reproducible I3D number."""

__version__ = "0.1.0"
