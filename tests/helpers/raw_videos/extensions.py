"""Sets that are extended: a few numbered videos of which some come later."""

import hashlib
import shutil
from collections import Counter

import vidprep
from tests.helpers.raw_videos.raw_k400 import CLASSES, SMALL, Raw
from vidprep.shards.ledger import read_ledger

SETTINGS = [word for word in SMALL if word != "--set"]
LATE = ("video1", "video4", "video6", "held_out1")


def raw_videos(folder, late=LATE):
    """Return ten videos to train and three to validate, and the folder in which those that come later lie."""
    raw = Raw(folder / "raw")
    paths = {f"video{n}": raw.add(f"video{n}", label=CLASSES[n % 3], num_frames=4 + n) for n in range(10)}
    for n in range(3):
        paths[f"held_out{n}"] = raw.add(f"held_out{n}", split="val", label=CLASSES[n % 3])
    for name in late:
        target = folder / "late" / paths[name].relative_to(raw.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(paths[name], target)
    return raw, folder / "late"


def build(raw, out, *more_sources, **options):
    """Build in this process."""
    sources = [raw.folder, *more_sources]
    settings = [*SETTINGS, *options.pop("overrides", [])]
    return vidprep.build("mini_k400", out, sources=sources, overrides=settings, in_process=True, **options)


def tar_hashes(out):
    """Return the sha256 of each tar by its name."""
    tars = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.glob("*/*.tar"))
    }
    assert tars
    return tars


def statuses(out, generation=None):
    """Return status and reason of each video by id, without its times."""
    rows = read_ledger(out, generation).to_pylist()
    return {row["video_id"][:-14]: (row["status"], row["reason"]) for row in rows}


def counts(out, generation=None):
    """Count the videos of each status."""
    return Counter(status for status, _ in statuses(out, generation).values())
