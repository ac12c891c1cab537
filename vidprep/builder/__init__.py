"""From annotated videos to a shard set: plan, transcode, pack, account for every video."""
