"""What opening a set reads: the files beside its tars, and the columns of its samples that a loader needs."""
