import ray

dataset = ray.data.read_webdataset(f"{SHARDS}/train")
samples = ((sample["__key__"], sample["cls"], sample["mp4"]) for sample in dataset.iter_rows())
