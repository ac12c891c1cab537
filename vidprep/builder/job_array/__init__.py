"""Job arrays: each task builds its share of the shards, and the last one makes the set; no scheduler."""
