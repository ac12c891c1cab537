"""Which videos a shard set holds, in a file that may be published; what two sets have in common."""
