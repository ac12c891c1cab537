"""New sets from finished ones without decoding: a part of one (`subset`), several as one (`merge`)."""
