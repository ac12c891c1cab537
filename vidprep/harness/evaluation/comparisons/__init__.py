"""Several evaluations beside each other: two on the same videos, one for every epoch of a run."""
