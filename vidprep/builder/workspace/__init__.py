"""`.build/`: what a build keeps between two runs, and how its processes agree; no other module knows it."""
