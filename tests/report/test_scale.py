"""200 classes and 10,000 videos: a page of under 10 MB in under 20 s on two cores."""

import resource
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from tests.helpers.raw_videos.videos import run_ffmpeg
from tests.helpers.runs.report_material import ledger_row, write_evaluation, write_rows
from tests.helpers.sets.numbered import STORED, sample, write_manifest, write_shard_set
from vidprep.shards.index import read_index, write_index
from vidprep.shards.layout import INDEX
from vidprep.shards.manifest import read_manifest

NUM_CLASSES, NUM_VIDEOS, NUM_DISTINCT, NUM_FRAMES = 200, 10_000, 24, 300


def busy_video(path, number):
    """Ten seconds that compress as badly as a film does: a zoom into a fractal, and grain."""
    source = f"mandelbrot=size=340x256:rate=30:start_x=-0.7{number:02d}:start_scale=0.{number % 9 + 1}"
    run_ffmpeg(
        *(
            "-f",
            "lavfi",
            "-i",
            source,
            "-frames:v",
            NUM_FRAMES,
            "-vf",
            "noise=alls=3:allf=t",
            "-pix_fmt",
            "yuv420p",
        ),
        *STORED.replace("crf 18", "crf 28").split(),
        path,
    )
    return path.read_bytes()


def large_set(root, folder):
    """A set of 10,000 samples that share the bytes of a few videos, which the tars hold once."""
    videos = [busy_video(folder / "video.mp4", number) for number in range(NUM_DISTINCT)]
    stored = [sample("train", f"d{at}", at, data, NUM_FRAMES, 340, 256) for at, data in enumerate(videos)]
    stored += [replace(one, key=f"validation-d{at}", split="validation") for at, one in enumerate(stored[:4])]
    write_shard_set(root, stored, per_shard=8)
    rows = read_index(root).to_pylist()
    of_split = {split: [row for row in rows if row["split"] == split] for split in ("train", "validation")}
    many = []
    for number in range(NUM_VIDEOS):
        split = "validation" if number % 10 == 9 else "train"
        row, label = of_split[split][number % len(of_split[split])], number // 10 % NUM_CLASSES
        name = {"key": f"{split}-{number}", "video_id": str(number)}
        many.append(
            row | name | {"label": label, "class": f"class number {label}", "num_frames": row["num_frames"]}
        )
    many.sort(key=lambda row: row["split"])
    write_index(many, root / INDEX)
    counts = Counter(row["shard"] for row in many)
    shards = read_manifest(root).shards
    write_manifest(root, tuple(replace(one, num_samples=counts[one.name]) for one in shards))
    write_rows(root, [ledger_row(row["split"], row["video_id"], row["class"], "used") for row in many])
    return root


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_200_classes_and_10_000_videos(tmp_path):
    large_set(tmp_path / "shards", tmp_path)
    write_evaluation(tmp_path / "eval", tmp_path / "shards", wrong=range(0, 1000, 3))
    out = tmp_path / "report.html"
    command = [sys.executable, "-m", "vidprep", "report", tmp_path, "--out", out]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    # Processor time, which others on the machine do not lengthen; two cores need little more than half of it.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{seconds:.1f} s of processor time, {out.stat().st_size / 1e6:.1f} MB")
    assert out.stat().st_size < 10_000_000
    assert seconds < 20
    assert out.read_text().count('class="strip strip-') == NUM_CLASSES
