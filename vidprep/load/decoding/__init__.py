"""From the bytes of a stored video to the pixels of its clips."""
