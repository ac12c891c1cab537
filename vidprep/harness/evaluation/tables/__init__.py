"""Tables that an evaluation writes beside results.json: predictions, classes, confusions, turned classes."""
