"""The passport of a folder of raw videos: each is decoded once, and nothing is built."""

import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Unpack

import pandas as pd

from vidprep.builder.finalise import count_totals
from vidprep.builder.shard import Row, or_rejected
from vidprep.builder.transcoding.source import read_source, segment_of
from vidprep.builder.transcoding.transcode import RawVideo, look_at_raw
from vidprep.builder.workspace.finished import Rejected
from vidprep.datasets.archives.listing import default_index_dir
from vidprep.datasets.folders import absolute, default_sources
from vidprep.datasets.inventory import take_inventory
from vidprep.errors import BuildStopped
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.keywords import shows_keywords_of
from vidprep.machine import num_cores
from vidprep.recipes.classes import dataset_of
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.own_videos import VideoChoice, choose_videos
from vidprep.recipes.recipe import Recipe
from vidprep.shards.passports.passport import Passport, make_passport, write_passport

# The result for a video that is present: one line of the progress file.
Looked = dict[str, Any]
OnVideo = Callable[[int, int], object]


@shows_keywords_of(choose_videos)
def passport_of_raw(
    recipe: Recipe | Path | str | None,
    out_path: Path | str,
    *,
    workers: int | None = None,
    ffmpeg: Path | str | None = None,
    on_video: OnVideo = lambda done, total: None,
    **videos: Unpack[VideoChoice],
) -> Passport:
    """Write the passport of raw videos without building anything: which are whole, and what they show.

    A video counts as used if a build could use it. A stopped or killed call is resumed by the same call.

        raw = vidprep.passport_of_raw("demo", "raw.parquet", sources=["raw/ssv2"])
        print(raw.head.totals["train"].used)

    Args:
        recipe: A recipe, or the name or path of a pipeline; it says which classes, and what may be used. None
            for your own videos with the defaults.
        out_path: The Parquet file to write.
        workers: How many videos are decoded at a time; None: one per core.
        ffmpeg: Path of another FFmpeg than the one that comes with vidprep.
        on_video: Called after each video with how many are done, and how many are there.
        **videos: Which videos are meant, as for `build`: `sources`, `annotations` and so on.

    Returns:
        What was written.

    Raises:
        BuildStopped: On Ctrl-C; what is done is kept.
        OSError: If the passport cannot be written; what was there before stays.
        VidprepError: Whatever else prevents it.
    """
    chosen = choose_videos(recipe, **videos)
    folders = [absolute(folder) for folder in chosen.sources or default_sources(chosen.recipe.dataset.name)]
    inventory = take_inventory(chosen.recipe.dataset, folders, chosen.annotations)
    resolved = chosen.recipe.model_copy(update={"dataset": inventory.stage})
    out_path = Path(out_path)
    progress_path = out_path.with_name(f"{out_path.name}.progress.jsonl")
    ffmpeg_path = find_ffmpeg(absolute(ffmpeg) if ffmpeg else None)
    looked = _read_progress(progress_path, identity := _identity(resolved, ffmpeg_path))
    with _kept(progress_path, identity, looked) as progress:
        look = partial(_look_at, recipe=resolved, ffmpeg_path=ffmpeg_path)
        _look_at_all(_present(inventory.rows), look, looked, progress, workers, on_video)
    rows = _with_status(inventory.rows, looked)
    passport = make_passport(
        str(out_path),
        _passport_rows(rows),
        recipe=resolved,
        classes=inventory.classes,
        tools={},
        totals={split: count_totals(split, rows, ()) for split in SPLITS},
        expected=inventory.expected,
    )
    write_passport(passport, out_path)
    progress_path.unlink()
    return passport


def _present(rows: pd.DataFrame) -> list[Row]:
    """Return the videos of an inventory that are there."""
    present = rows[rows["status"] == "present"]
    return [{str(name): value for name, value in row.items()} for row in present.to_dict("records")]


def _look_at_all(
    rows: list[Row],
    look: Callable[[Row], Looked],
    done: dict[str, Looked],
    progress: IO[str],
    workers: int | None,
    on_video: OnVideo,
) -> None:
    """Look at the videos that `done` does not hold yet; put what is found into it and the progress file."""
    waiting = [row for row in rows if not _is_done(row, done)]
    num_done = len(rows) - len(waiting)
    for number in range(1, num_done + 1):
        on_video(number, len(rows))
    with ThreadPoolExecutor(workers or num_cores()) as pool:
        futures = [pool.submit(look, row) for row in waiting]
        try:
            for number, future in enumerate(as_completed(futures), start=num_done + 1):
                found = future.result()
                progress.write(json.dumps(found) + "\n")
                done[found["key"]] = found
                on_video(number, len(rows))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _is_done(row: Row, done: dict[str, Looked]) -> bool:
    return row["key"] in done and done[row["key"]]["source_bytes"] == row["source_bytes"]


def _look_at(row: Row, recipe: Recipe, ffmpeg_path: str) -> Looked:
    with TemporaryDirectory(prefix="vidprep-passport-") as scratch:
        step = partial(_look_at_source, row, Path(scratch), recipe, ffmpeg_path)
        found = or_rejected(row, step)
    known = {"key": row["key"], "source_bytes": row["source_bytes"]}
    if isinstance(found, Rejected):
        return known | {"status": "rejected", "reason": found.reason, "num_frames": 0, "content": None}
    content = found.content.hex()
    return known | {"status": "used", "reason": "", "num_frames": found.num_frames, "content": content}


def _look_at_source(row: Row, scratch_dir: Path, recipe: Recipe, ffmpeg_path: str) -> RawVideo:
    frame_rate = dataset_of(recipe.dataset).videos.frame_rate
    source = read_source(row, scratch_dir, default_index_dir(), images=frame_rate > 0)
    found = look_at_raw(
        source.path,
        scratch_dir,
        recipe.transcode,
        ffmpeg_path,
        segment=segment_of(row),
        frame_rate=frame_rate,
    )
    source.check_unchanged()
    return found


def _with_status(rows: pd.DataFrame, done: dict[str, Looked]) -> pd.DataFrame:
    """Return the inventory with what became of the videos that are there."""
    is_there = (rows["status"] == "present").tolist()
    looked = [done[key] if there else None for key, there in zip(rows["key"], is_there, strict=True)]
    found = {
        name: [one[name] if one else before for one, before in zip(looked, rows[name], strict=True)]
        for name in ("status", "reason")
    }
    found["num_frames"] = [one["num_frames"] if one else 0 for one in looked]
    found["content"] = [bytes.fromhex(one["content"]) if one and one["content"] else None for one in looked]
    return rows.assign(**found)


def _passport_rows(rows: pd.DataFrame) -> pd.DataFrame:
    columns = ["split", "video_id", "label", "status", "reason", "num_frames", "content"]
    nothing_stored = pd.array([pd.NA] * len(rows), pd.UInt32Dtype())
    return rows[columns].assign(mp4_crc32=nothing_stored)


def _read_progress(path: Path, identity: str) -> dict[str, Looked]:
    """Return what an earlier call has found, by key; nothing if it had other settings or another FFmpeg."""
    if not path.is_file():
        return {}
    head, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
    if head != _digest(identity):
        return {}
    found = {}
    for line in lines:
        try:
            one = json.loads(line)
        except ValueError:  # cut off when the process was killed
            continue
        found[one["key"]] = one
    return found


@contextmanager
def _kept(path: Path, identity: str, done: dict[str, Looked]) -> Iterator[IO[str]]:
    """Open the progress file for more lines; say at Ctrl-C that what is done is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", buffering=1) as file:
        file.write(_digest(identity) + "\n")
        file.writelines(json.dumps(one) + "\n" for one in done.values())
        try:
            yield file
        except KeyboardInterrupt as error:
            raise BuildStopped(
                f"Stopped. What is known of {len(done):,} videos is kept in {path}; the same command goes on."
            ) from error


def _identity(recipe: Recipe, ffmpeg_path: str) -> str:
    """Return what decides what is found of a video."""
    return f"{recipe.transcode.model_dump_json()} {ffmpeg_version(ffmpeg_path)}"


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()
