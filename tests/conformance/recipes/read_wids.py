import wids

dataset = wids.ShardListDataset(f"{SHARDS}/train-index.json", base=SHARDS, cache_dir=CACHE)
samples = ((sample["__key__"], sample[".cls"], sample[".mp4"].read()) for sample in dataset)
