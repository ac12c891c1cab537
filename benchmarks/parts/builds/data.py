"""What benchmarks/build.py and scaling.py build: videos made on the spot, and made-up plans and shards.

A folder that is there already is used again.
"""

import os
import shutil
import subprocess
import sys
import tarfile

from vidprep.ffmpeg import find_ffmpeg

CSV_HEAD = "label,youtube_id,time_start,time_end,split"


def make_sources(folder, num_videos):
    """K400-like and SSv2-like videos, as `vidprep synth` makes them."""
    per_class = max(1, num_videos // 10)
    for dataset in ("k400", "ssv2"):
        if not (folder / dataset).exists():
            command = [sys.executable, "-m", "vidprep", "synth", dataset, "--out", str(folder / dataset)]
            counts = ["--classes", "10", "--videos-per-class", str(per_class), "--validation-per-class", "1"]
            subprocess.run([*command, *counts], check=True)
    return {dataset: sorted(find_videos(folder / dataset)) for dataset in ("k400", "ssv2")}


def find_videos(folder):
    return [path for path in folder.rglob("*") if path.suffix in (".mp4", ".webm")]


def make_archives(unpacked, packed, *, num_parts=4):
    """Put the videos of each split into flat tar.gz files, as Kinetics' copy at CVDF holds them."""
    if packed.exists():
        return
    shutil.copytree(unpacked / "annotations", packed / "annotations")
    for split in ("train", "val"):
        videos = find_videos(unpacked / split)
        (packed / split).mkdir()
        for number in range(num_parts):
            with tarfile.open(packed / split / f"part_{number}.tar.gz", "w:gz") as tar:
                for path in sorted(videos)[number::num_parts]:
                    tar.add(path, arcname=path.name)


def make_large_source(source, classes, num_videos):
    """Write files of one byte, spread evenly over the classes, and their annotation."""
    if source.exists():
        return
    rows = [CSV_HEAD]
    for label in classes:
        (source / "train" / label).mkdir(parents=True)
    for number in range(num_videos):
        label = classes[number % len(classes)]
        (source / "train" / label / f"v{number:010d}_000000_000010.mp4").write_bytes(b"x")
        rows.append(f'"{label}",v{number:010d},0,10,train')
    write_annotation(source, rows)


def make_hd_source(source, num_videos):
    """Make one video of 1280x720, hard links of it under `num_videos` names, and their annotation."""
    if source.exists():
        return
    (source / "train" / "yoga").mkdir(parents=True)
    first = source / "first.mp4"
    picture = "testsrc2=s=1280x720:r=30:d=2"
    subprocess.run([find_ffmpeg(), "-v", "error", "-f", "lavfi", "-i", picture, str(first)], check=True)
    rows = [CSV_HEAD]
    for number in range(num_videos):
        os.link(first, source / "train" / "yoga" / f"v{number:04d}_000000_000010.mp4")
        rows.append(f"yoga,v{number:04d},0,10,train")
    first.unlink()
    write_annotation(source, rows)


def write_annotation(source, rows):
    (source / "annotations").mkdir()
    (source / "annotations" / "train.csv").write_text("\n".join(rows) + "\n")


def made_up_inventory(num, classes):
    """Rows of videos that are all there, as an inventory lists them."""
    import pandas as pd

    ids = [f"{number:011d}_000000_000010" for number in range(num)]
    labels = [number % len(classes) for number in range(num)]
    return pd.DataFrame(
        {
            "split": "train",
            "video_id": ids,
            "class": [classes[label] for label in labels],
            "label": labels,
            "label_full": labels,
            "key": [f"train-{video_id}" for video_id in ids],
            "status": "present",
            "reason": "",
            "detail": "",
            "source_dir": "/raw",
            "source": [f"train/x/{video_id}.mp4" for video_id in ids],
            "source_bytes": 10**6,
        }
    )


def made_up_shards(out, planned):
    """What workers would have left: done shards, and their tars (empty files) in the staging folder."""
    from vidprep.builder.workspace.finished import DoneShard
    from vidprep.builder.workspace.paths import staging_path

    places = ("cls_offset", "cls_size", "json_offset", "json_size", "mp4_offset", "mp4_size", "mp4_crc32")
    facts = dict.fromkeys(places, 512) | {"num_frames": 300, "width": 340, "height": 256}
    facts |= {"fps": 30.0, "duration_seconds": 10.0}
    staging_path(out, 0).parent.mkdir(parents=True, exist_ok=True)
    done = {}
    for number, shard in planned.groupby("shard"):
        rows = [
            {name: row[name] for name in ("key", "split", "label", "class", "video_id")}
            | facts
            | {"position": place}
            for place, row in enumerate(shard.to_dict("records"))
        ]
        details = {row["key"]: "Video: h264" for row in rows}
        hashes = {"size_bytes": 0, "sha256": "0" * 64, "md5": "0" * 32}
        done[number] = DoneShard(
            shard=number, split="train", rows=tuple(rows), details=details, rejected=(), **hashes
        )
        staging_path(out, number).touch()
    return done
