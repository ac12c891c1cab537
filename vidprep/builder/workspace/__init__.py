"""`.build/`: what a build keeps between runs, and how its processes coordinate; hidden from other modules."""
