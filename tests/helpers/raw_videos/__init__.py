"""Raw videos and datasets to build from: made on the spot, small, with known content."""
