"""Who builds the shards: this process, Dask workers here or elsewhere, or workers that SLURM starts."""
