"""Videos whose frames carry their own number, in bits that survive compression and crops; shards of them.

A frame's luma is stripes of 16 rows; stripe s shows bit s % 10 of the number, a little brighter from left to
right, so that a mirrored frame is seen. U is the same everywhere and tells which video it is.
"""

import hashlib
import subprocess
from pathlib import Path

import numpy as np

from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.recipe import DatasetStage, Recipe
from vidprep.shards.index import write_index
from vidprep.shards.layout import INDEX, MANIFEST, sample_key, shard_name
from vidprep.shards.manifest import Manifest, ShardEntry, SplitTotals
from vidprep.shards.tar import Sample, ShardWriter

# The set of the loader's tests: sizes and lengths by number of the video.
NUM_TRAIN, NUM_VALIDATION = 26, 7
SIZES = ((340, 256), (256, 340), (456, 256))

STRIPE, BITS = 16, 10
DARK, BRIGHT = 60, 180
STORED = (
    "-c:v libx264 -preset ultrafast -crf 18 -bf 0 -g 16 -keyint_min 16 -sc_threshold 0 "
    "-tune fastdecode -x264-params open-gop=0 -movflags +faststart"
)


def num_frames_of(video: int) -> int:
    return (20, 33, 47, 96, 130)[video % 5]


def numbered_frame(number: int, video: int, width: int, height: int) -> bytes:
    """One frame as yuv420p planes."""
    stripes = np.arange(height) // STRIPE % BITS
    luma = np.where(number >> stripes & 1, BRIGHT, DARK)[:, None] + np.linspace(-10, 10, width)
    u = np.full((height // 2, width // 2), 48 + 16 * (video % 10), np.uint8)
    v = np.full_like(u, 128)
    return luma.astype(np.uint8).tobytes() + u.tobytes() + v.tobytes()


def read_number(luma: np.ndarray, top: int) -> int:
    """The number shown by a luma crop that begins at row `top` of its frame."""
    number, seen = 0, set()
    for stripe in range(40):
        row = stripe * STRIPE + STRIPE // 2 - top
        if 0 <= row < len(luma):
            bit = stripe % BITS
            seen.add(bit)
            number |= (luma[row, 8:-8].mean() > (DARK + BRIGHT) / 2) << bit
    assert len(seen) == BITS, "the crop is too low to show every bit"
    return int(number)


def read_video_number(u: np.ndarray) -> int:
    return round((float(u.mean()) - 48) / 16)


def encode(
    num_frames: int,
    video: int = 0,
    *,
    width: int = 340,
    height: int = 256,
    options: str = STORED,
    suffix: str = "mp4",
    path: Path,
) -> bytes:
    """A numbered video with the given encoder options."""
    path = path / f"video.{suffix}"
    raw = b"".join(numbered_frame(i, video, width, height) for i in range(num_frames))
    source = f"-f rawvideo -pix_fmt yuv420p -s {width}x{height} -r 30 -i -"
    tags = "-colorspace smpte170m -color_range tv -pix_fmt yuv420p"
    command = [find_ffmpeg(), "-v", "error", "-y", *f"{source} {options} {tags}".split(), str(path)]
    subprocess.run(command, input=raw, check=True)
    return path.read_bytes()


def sample(
    split: str, name: str, label: int, data: bytes, num_frames: int, width: int, height: int
) -> Sample:
    return Sample(
        key=sample_key(split, name),
        split=split,
        video_id=name,
        label=label,
        label_full=label,
        class_name=f"class {label}",
        num_frames=num_frames,
        width=width,
        height=height,
        fps=30.0,
        duration_seconds=num_frames / 30,
        video=data,
    )


def write_shard_set(root: Path, samples: list[Sample], per_shard: int) -> Path:
    """A finished shard set, as the builder leaves it (without a ledger)."""
    rows, entries = [], []
    for split in dict.fromkeys(s.split for s in samples):
        (root / split).mkdir(parents=True)
        of_split = [s for s in samples if s.split == split]
        for number, start in enumerate(range(0, len(of_split), per_shard)):
            name = shard_name("numbered", split, number)
            part = of_split[start : start + per_shard]
            with ShardWriter(root / name) as writer:
                for item in part:
                    writer.write(item)
            rows += [row | {"shard": name} for row in writer.rows]
            entries.append(
                ShardEntry(
                    name=name,
                    split=split,
                    num_samples=len(part),
                    size_bytes=writer.size_bytes,
                    sha256=writer.sha256,
                    md5=writer.md5,
                )
            )
    write_index(rows, root / INDEX)
    write_manifest(root, tuple(entries))
    return root


def write_manifest(root: Path, entries: tuple[ShardEntry, ...]) -> None:
    manifest = Manifest(
        recipe=Recipe(name="numbered", title="Numbered", dataset=DatasetStage(name="ssv2")),
        classes_sha256="",
        source_sha256="",
        tools={},
        shards=entries,
        totals={split: totals_of(split, entries) for split in SPLITS},
        index_sha256=hashlib.sha256((root / INDEX).read_bytes()).hexdigest(),
        ledger_sha256="",
    )
    (root / MANIFEST).write_text(manifest.model_dump_json())


def totals_of(split: str, entries: tuple[ShardEntry, ...]) -> SplitTotals:
    """The accounting of a split of which every annotated video is used."""
    shards = [entry for entry in entries if entry.split == split]
    used = sum(entry.num_samples for entry in shards)
    size_bytes = sum(entry.size_bytes for entry in shards)
    return SplitTotals(
        annotated=used, used=used, missing=0, rejected=0, num_shards=len(shards), size_bytes=size_bytes
    )
