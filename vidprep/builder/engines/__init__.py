"""Engines build the shards: in this process, with Dask workers here or elsewhere, or with SLURM's jobs."""
