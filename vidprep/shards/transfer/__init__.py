"""Copy finished shard sets from a disk to an object store and back."""
