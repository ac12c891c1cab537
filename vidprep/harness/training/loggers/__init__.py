"""Where the numbers of a training go: metrics.jsonl always, and what a user likes to look at besides."""
