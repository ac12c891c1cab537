"""Reading the files beside a set's tars, and the columns of its index that a loader needs."""
