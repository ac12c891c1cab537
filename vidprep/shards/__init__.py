"""The shard set on disk: the contract where building and loading meet."""
