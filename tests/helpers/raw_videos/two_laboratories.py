"""Two laboratories that download the same annotated videos, K400-like, and do not get the same."""

import shutil
from pathlib import Path

import av
import numpy as np

from tests.helpers.raw_videos.raw_k400 import Raw


def scene(path, seed, *, size=(160, 120), crf=23, num_frames=20):
    """A moving pattern of smooth blobs, other ones for every seed; the same ones at any size."""
    random = np.random.default_rng(seed)
    centres, speeds = random.uniform(0, 1, (6, 2)), random.uniform(-0.02, 0.02, (6, 2))
    colours = random.uniform(40, 215, (6, 3))
    width, height = size
    y, x = np.mgrid[:height, :width] / np.array([height, width])[:, None, None]
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(num_frames):
            image = np.zeros((height, width, 3))
            for centre, speed, colour in zip(centres, speeds, colours, strict=True):
                cy, cx = (centre + number * speed) % 1
                image += np.exp(-40 * ((y - cy) ** 2 + (x - cx) ** 2))[..., None] * colour
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(image.clip(0, 255).astype(np.uint8), "rgb24"))
            )
        container.mux(stream.encode())


def download(
    folder: Path, downloads: Path, splits, *, missing=(), other_encoding=(), swapped=(), labels=("yoga",)
):
    """Make a raw folder with video i of split `splits[i]`; by default both laboratories get the same file.

    Args:
        folder: The raw folder.
        downloads: Folder that keeps the videos for the other laboratory.
        splits: "train" or "val" for each video.
        missing: Numbers of videos that this laboratory does not get.
        other_encoding: Numbers of videos that it gets at another size and quality.
        swapped: Numbers of two videos that it gets under each other's id.
        labels: Classes of the videos, in turn.
    """
    raw = Raw(folder)
    wrong = dict(zip(swapped, reversed(swapped), strict=True))
    for number, split in enumerate(splits):
        path = raw.add(f"video{number}", split=split, label=labels[number % len(labels)], write=False)
        if number in missing:
            continue
        size, crf = ((320, 240), 30) if number in other_encoding else ((160, 120), 23)
        seed = wrong.get(number, number)
        kept = downloads / f"{seed}_{crf}.mp4"
        if not kept.exists():
            scene(kept, seed, size=size, crf=crf)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(kept, path)
    return raw
