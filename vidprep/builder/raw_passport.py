"""The passport of a folder of raw videos: each is decoded once, and nothing is built."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

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
from vidprep.machine import num_cores
from vidprep.recipes.classes import dataset_of
from vidprep.recipes.manifests import SPLITS
from vidprep.recipes.own import choose_videos
from vidprep.recipes.recipe import Recipe
from vidprep.shards.passports.passport import Passport, make_passport, write_passport

# What becomes of a video that is there, as a line of the progress file has it.
Looked = dict[str, Any]


def passport_of_raw(
    recipe: Recipe | Path | str | None,
    out_path: Path | str,
    *,
    sources: Sequence[str | Path] = (),
    annotations: Sequence[str | Path] = (),
    class_list: Path | None = None,
    overrides: Sequence[str] = (),
    dataset: Path | str | None = None,
    from_folders: Path | str | None = None,
    from_csv: Sequence[Path | str] = (),
    root: Path | str | None = None,
    val_fraction: float = 0.1,
    val_seed: int = 0,
    workers: int | None = None,
    ffmpeg: Path | str | None = None,
    on_video: Callable[[int, int], object] = lambda done, total: None,
) -> Passport:
    """Write the passport of raw videos without building anything: which are whole, and what they show.

    A video counts as used if a build could use it. Stopped or killed? The same call goes on where it was.

        raw = vidprep.passport_of_raw("demo", "raw.parquet", sources=["raw/ssv2"])
        print(raw.head.totals["train"].used)

    Args:
        recipe: A recipe, or the name or path of a pipeline; it says which classes, and what may be used. None
            for one's own videos with the defaults.
        out_path: Of the passport.
        sources: Folders of raw videos; a later one fills the gaps of the earlier. None given: as for `build`.
        annotations: Annotation files or folders; none given: looked for in the sources.
        class_list: A text file with classes of one's own, one a line.
        overrides: `table.key=value` settings of the recipe.
        dataset: A dataset file of one's own, instead of the recipe's dataset.
        from_folders: One's own videos: a folder for each class, or `train/` and `val/` with such folders.
        from_csv: Or lists with the header `path,label[,split][,start,end]`, or of "path label" lines.
        root: The folder that paths of such lists are below.
        val_fraction: Share of one's own videos that validate, where nothing tells their split.
        val_seed: Of the hash of their ids that decides.
        workers: Videos that are decoded at a time; None: one per core.
        ffmpeg: A binary of the user's instead of the one that comes with vidprep.
        on_video: Called after each video with how many are done, and how many are there.

    Returns:
        What was written.

    Raises:
        BuildStopped: On Ctrl-C; what is done is kept.
        OSError: If the passport cannot be written; what was there before stays.
        VidprepError: Whatever else prevents it.
    """
    chosen = choose_videos(
        recipe,
        sources=sources,
        annotations=annotations,
        class_list=class_list,
        overrides=overrides,
        dataset=dataset,
        from_folders=from_folders,
        from_csv=from_csv,
        root=root,
        val_fraction=val_fraction,
        val_seed=val_seed,
    )
    folders = [absolute(folder) for folder in chosen.sources or default_sources(chosen.recipe.dataset.name)]
    inventory = take_inventory(chosen.recipe.dataset, folders, chosen.annotations)
    resolved = chosen.recipe.model_copy(update={"dataset": inventory.stage})
    ffmpeg_path = find_ffmpeg(absolute(ffmpeg) if ffmpeg else None)
    present = inventory.rows[inventory.rows["status"] == "present"]
    there: list[Row] = [
        {str(name): value for name, value in row.items()} for row in present.to_dict("records")
    ]
    out_path = Path(out_path)
    progress_path = out_path.with_name(f"{out_path.name}.progress.jsonl")
    identity = f"{resolved.transcode.model_dump_json()} {ffmpeg_version(ffmpeg_path)}"
    done = _read_progress(progress_path, identity)
    with _kept(progress_path, identity, done) as progress:
        for number, one in enumerate(_look_at_all(there, done, resolved, ffmpeg_path, workers), start=1):
            if one["key"] not in done:
                progress.write(json.dumps(one) + "\n")
            done[one["key"]] = one
            on_video(number, len(there))
    passport = make_passport(
        str(out_path),
        _passport_rows(inventory.rows, done),
        recipe=resolved,
        classes=inventory.classes,
        tools={},
        totals={split: count_totals(split, _with_status(inventory.rows, done), ()) for split in SPLITS},
        expected=inventory.expected,
    )
    write_passport(passport, out_path)
    progress_path.unlink()
    return passport


def _look_at_all(
    rows: list[Row], done: dict[str, Looked], recipe: Recipe, ffmpeg_path: str, workers: int | None
) -> Iterator[Looked]:
    """Yield what is found of each video, those first that are known already."""
    waiting = [row for row in rows if not _is_done(row, done)]
    yield from (done[row["key"]] for row in rows if _is_done(row, done))
    for row in waiting:
        done.pop(row["key"], None)
    with ThreadPoolExecutor(workers or num_cores()) as pool:
        futures = [pool.submit(_look_at, row, recipe, ffmpeg_path) for row in waiting]
        try:
            yield from (future.result() for future in as_completed(futures))
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


def _passport_rows(rows: pd.DataFrame, done: dict[str, Looked]) -> pd.DataFrame:
    columns = ["split", "video_id", "label", "status", "reason", "num_frames", "content"]
    nothing_stored = pd.array([pd.NA] * len(rows), pd.UInt32Dtype())
    return _with_status(rows, done)[columns].assign(mp4_crc32=nothing_stored)


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


def _digest(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()
