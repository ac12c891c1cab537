import datasets

dataset = datasets.load_dataset(SHARDS, split="train", cache_dir=CACHE)
dataset = dataset.cast_column("mp4", datasets.Video(decode=False))  # bytes
samples = ((sample["__key__"], sample["cls"], sample["mp4"]["bytes"]) for sample in dataset)
