"""Programs and processes: vidprep itself, terminals, SLURM, a browser, notebooks; how they end."""
