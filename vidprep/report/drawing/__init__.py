"""Numbers and frames to markup: SVG, charts, images."""
