"""More videos for a finished shard set: who is new, their shards, and the step that makes one set of both."""
