"""Train: the loop, its state and checkpoints, one optimiser step, metrics, progress."""
