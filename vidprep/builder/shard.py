"""Build one shard: the unit of work of a worker, local or anywhere in a cluster."""

import os
import shutil
import tempfile
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import fsspec

from vidprep.builder.finished import DoneShard, Rejected
from vidprep.builder.plan import plan_path, read_shard_rows
from vidprep.builder.transcoding.preflight import checked_ffmpeg
from vidprep.builder.transcoding.transcode import TranscodedVideo, check_stored, transcode
from vidprep.builder.workspace import (
    done_path,
    no_room_is_a_build_error,
    staging_path,
    stop_path,
)
from vidprep.errors import BuildError, BuildStopped, SourceError, VideoRejected, VidprepError
from vidprep.files import is_no_room, replace_durably, write_whole
from vidprep.recipes.recipe import Transcode
from vidprep.shards.tar import Sample, ShardWriter

Report = Callable[[dict[str, Any]], None]
Row = dict[str, Any]
Result = TypeVar("Result")
Stored = tuple[Sample, str] | Rejected

# One video in FFmpeg's hands and one that waits for it, while the one before is checked and packed:
# a pair of FFmpegs leaves a pair of cores idle for 5 to 8 % of the time.
_AHEAD = 2


@dataclass(frozen=True)
class ShardTask:
    """What a worker has to know; the videos themselves stand in the plan on disk.

    Attributes:
        out_dir: The shard set, on a file system that all workers see.
        shard: Number in the plan.
        transcode: How to store a video.
        ffmpeg: A binary of the user's, or None for the one that comes with vidprep.
        ffmpeg_version: What it must be, on every machine.
    """

    out_dir: Path
    shard: int
    transcode: Transcode
    ffmpeg: str | None
    ffmpeg_version: str


def build_shard(task: ShardTask, report: Report) -> None:
    """Transcode the videos of one shard and write its tar, then its done-file.

    Args:
        report: Called with an event when the shard starts and after each video.

    Raises:
        BuildStopped: If somebody asked the build to stop; nothing of this shard is kept.
        BuildError: If the disk is full, or anything unexpected happened to a video, which is named.
        SourceError: If a source is not what the plan says.
    """
    if not plan_path(task.out_dir).is_file():
        raise BuildError(
            f"A worker sees no {plan_path(task.out_dir)}: the output folder must be on a file system that "
            "all workers share, under the same path."
        )
    ffmpeg_path = checked_ffmpeg(task.ffmpeg, task.ffmpeg_version, task.transcode)
    rows = read_shard_rows(task.out_dir, task.shard)
    _stop_if_asked(task)
    report({"event": "shard", "shard": task.shard, "split": rows[0]["split"], "num_videos": len(rows)})
    with closing(_attempts(task, ffmpeg_path, rows)) as attempts:
        write_shard(task, rows, _stored_videos(task, attempts, report))


def _stored_videos(
    task: ShardTask, attempts: "Iterator[tuple[Row, _Attempt]]", report: Report
) -> Iterator[Stored]:
    """Yield each video as it is to be stored, or why it is rejected; its folder is gone with the next one."""
    for row, attempt in attempts:
        stored = _checked(task, row, attempt.outcome)
        yield stored
        report(_video_event(task, row, stored, attempt.seconds))


def write_shard(task: ShardTask, rows: list[Row], videos: Iterator[Stored]) -> None:
    """Write a shard's tar under a temporary name, give it its name, then write its done-file.

    Args:
        task: Which shard of which set.
        rows: The videos planned for it, in order.
        videos: Each of them as it is to be stored, with a detail for the ledger, or why it is rejected.

    Raises:
        BuildError: If the disk is full.
    """
    # A name of its own for every attempt: a worker that was given up may still be writing.
    partial_path = staging_path(task.out_dir, task.shard).with_suffix(f".{uuid.uuid4().hex[:8]}.partial")
    partial_path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with no_room_is_a_build_error(task.out_dir):
            _write_shard(task, rows, videos, partial_path)
    finally:
        partial_path.unlink(missing_ok=True)


def _write_shard(task: ShardTask, rows: list[Row], videos: Iterator[Stored], partial_path: Path) -> None:
    rejected: list[Rejected] = []
    details: dict[str, str] = {}
    with ShardWriter(partial_path) as writer:
        for row, stored in zip(rows, videos, strict=True):
            if isinstance(stored, Rejected):
                rejected.append(stored)
            else:
                sample, details[row["key"]] = stored
                writer.write(sample)
    if writer.rows:
        replace_durably(partial_path, staging_path(task.out_dir, task.shard))
    done = DoneShard(
        shard=task.shard,
        split=rows[0]["split"],
        rows=tuple(writer.rows),
        details=details,
        rejected=tuple(rejected),
        size_bytes=writer.size_bytes if writer.rows else 0,
        sha256=writer.sha256,
        md5=writer.md5,
    )
    write_whole(done_path(task.out_dir, task.shard), done.model_dump_json().encode())


@dataclass(frozen=True)
class _Attempt:
    """What FFmpeg made of a video, and the folder in which it lies."""

    outcome: TranscodedVideo | Rejected
    scratch: "tempfile.TemporaryDirectory[str]"
    seconds: float


def _attempts(
    task: ShardTask, ffmpeg_path: str, rows: list[Row]
) -> Generator[tuple[Row, _Attempt], None, None]:
    """Yield each row with what FFmpeg made of it, in order; FFmpeg works one video ahead of the caller."""
    pool = ThreadPoolExecutor(max_workers=1)
    ahead: deque[Future[_Attempt]] = deque()
    try:
        for number, row in enumerate(rows):
            while len(ahead) < min(_AHEAD, len(rows) - number):
                ahead.append(pool.submit(_attempt, task, ffmpeg_path, rows[number + len(ahead)]))
            with (attempt := ahead.popleft().result()).scratch:
                yield row, attempt
    finally:
        pool.shutdown(cancel_futures=True)
        for future in ahead:
            if not future.cancelled() and not future.exception():
                future.result().scratch.cleanup()


def _attempt(task: ShardTask, ffmpeg_path: str, row: Row) -> _Attempt:
    _stop_if_asked(task)
    started = time.monotonic()
    scratch = tempfile.TemporaryDirectory(prefix=f"vidprep-{os.getpid()}-")
    try:
        outcome = _or_rejected(row, partial(_transcode, task, ffmpeg_path, row, Path(scratch.name)))
    except BaseException:
        scratch.cleanup()
        raise
    return _Attempt(outcome, scratch, time.monotonic() - started)


def _transcode(task: ShardTask, ffmpeg_path: str, row: Row, scratch_dir: Path) -> TranscodedVideo:
    return transcode(_local_source(row, scratch_dir), scratch_dir, task.transcode, ffmpeg_path)


def _checked(task: ShardTask, row: Row, outcome: TranscodedVideo | Rejected) -> Stored:
    if isinstance(outcome, Rejected):
        return outcome
    video = _or_rejected(row, partial(check_stored, outcome, task.transcode))
    return video if isinstance(video, Rejected) else (_sample(row, video), video.detail)


def _stop_if_asked(task: ShardTask) -> None:
    if stop_path(task.out_dir).exists():
        raise BuildStopped("Stopped on request.")


def _or_rejected(row: Row, step: Callable[[], Result]) -> Result | Rejected:
    """Take a step with a video; the only place where an exception becomes a rejected video."""
    try:
        return step()
    except VideoRejected as error:
        return Rejected(key=row["key"], reason=error.reason, detail=error.detail)
    except VidprepError:
        raise
    except Exception as error:
        if is_no_room(error):
            raise
        raise BuildError(
            f"{row['key']} ({row['source']}): unexpected {type(error).__name__}: {error}. "
            "Finished shards are kept."
        ) from error


def _local_source(row: Row, scratch_dir: Path) -> Path:
    """Return a source as a local file, fetched if it lies elsewhere, and the very one that was planned."""
    path: Path = Path(row["source_dir"]) / row["source"]
    try:
        if "://" in row["source_dir"]:
            path = _fetch(f"{row['source_dir'].rstrip('/')}/{row['source']}", scratch_dir / "source")
        with path.open("rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
    except OSError as error:
        if is_no_room(error):
            raise
        why = error.strerror or type(error).__name__
        raise SourceError(
            f"{row['key']}: {row['source_dir']}/{row['source']} was there when the build was planned and "
            f"cannot be read now: {why}. Bring it back and run the same build again."
        ) from error
    if row["source_bytes"] not in (size_bytes, -1):  # -1: the remote store did not tell
        raise SourceError(
            f"{row['key']}: {row['source_dir']}/{row['source']} has {size_bytes:,} bytes, "
            f"{row['source_bytes']:,} when the build was planned. Restore it, or build into a new folder."
        )
    return path


def _fetch(url: str, path: Path) -> Path:
    with fsspec.open(url) as remote, path.open("wb") as local:
        shutil.copyfileobj(remote, local, 2**20)
    return path


def _sample(row: Row, video: TranscodedVideo) -> Sample:
    return Sample(
        key=row["key"],
        split=row["split"],
        video_id=row["video_id"],
        label=row["label"],
        label_full=row["label_full"],
        class_name=row["class"],
        num_frames=video.num_frames,
        width=video.width,
        height=video.height,
        fps=video.fps,
        duration_seconds=video.num_frames / video.fps if video.fps else 0.0,
        video=video.path.read_bytes(),
    )


def _video_event(task: ShardTask, row: Row, outcome: object, seconds: float) -> dict[str, Any]:
    event = {
        "event": "video",
        "shard": task.shard,
        "key": row["key"],
        "source": row["source"],
        "seconds": round(seconds, 3),
    }
    if isinstance(outcome, Rejected):
        return event | {"reason": outcome.reason, "detail": outcome.detail}
    return event
