import glob

import webdataset

urls = sorted(glob.glob(f"{SHARDS}/train/*.tar"))
dataset = webdataset.WebDataset(urls, shardshuffle=False)
samples = ((sample["__key__"], int(sample["cls"]), sample["mp4"]) for sample in dataset)
