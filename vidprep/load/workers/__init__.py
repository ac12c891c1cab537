"""Processes that read and decode, and the shared memory that they write batches into."""
