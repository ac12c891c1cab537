"""Shards to uint8 clips: exact epochs, resumable anywhere, decoded in place."""
