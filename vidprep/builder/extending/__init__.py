"""Add videos to a finished shard set: find the new ones, build their shards, and put them into the set."""
