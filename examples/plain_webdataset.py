"""Read the shards with webdataset alone: `python examples/plain_webdataset.py SHARDS`."""

import sys
from pathlib import Path

import webdataset as wds

from vidprep import TrainClip
from vidprep.load import decode_clip


def main(shards_dir: str) -> None:
    tars = sorted(map(str, Path(shards_dir, "train").glob("*.tar")))
    clip = TrainClip(clip_len=4, crop_size=32)
    for epoch in range(2):
        samples = wds.WebDataset(tars, shardshuffle=100, seed=epoch).shuffle(1000)
        for sample in samples.map(lambda sample, epoch=epoch: decode_clip(sample, clip=clip, epoch=epoch)):
            print(epoch, sample["__key__"], int(sample["label"]), tuple(sample["video"].shape))


if __name__ == "__main__":
    main(sys.argv[1])
