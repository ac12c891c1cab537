"""Build one shard: the unit of work of a worker, local or anywhere in a cluster."""

import json
import tempfile
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from vidprep.builder.full_disk import full_disk_as_build_error
from vidprep.builder.job_time import PACE, wait_if_too_late
from vidprep.builder.shard_task import Report, ShardTask, stop_if_asked
from vidprep.builder.transcoding.preflight import checked_ffmpeg
from vidprep.builder.transcoding.scratch import remove_abandoned_scratch, scratch_folder
from vidprep.builder.transcoding.source import Source, check_checksum, read_source, segment_of
from vidprep.builder.transcoding.transcode import TranscodedVideo, check_stored, transcode
from vidprep.builder.workspace.archive_indexes import index_dir_of
from vidprep.builder.workspace.finished import DoneShard, Rejected, new_partial_path
from vidprep.builder.workspace.plan_file import read_shard_rows
from vidprep.builder.workspace.unfinished import (
    Note,
    Unfinished,
    find_unfinished,
    noted_samples,
    remove_unfinished,
)
from vidprep.errors import (
    BuildError,
    BuildStopped,
    ShardError,
    SourceError,
    VideoRejected,
    VidprepError,
)
from vidprep.files import is_disk_full
from vidprep.shards.tar import Sample, ShardWriter

Row = dict[str, Any]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Accepted:
    """A video that is to be stored.

    Attributes:
        sample: The sample to write into the shard.
        detail: The ledger's `detail`: what FFmpeg said of the source.
        source_sha256: sha256 of the raw file; "" if unknown.
        suspect: A word of `SUSPICIONS` if it looks damaged, else "".
        content: Fingerprint for the passport; None if unknown.
    """

    sample: Sample
    detail: str
    source_sha256: str = ""
    suspect: str = ""
    content: bytes | None = None

    def facts(self) -> dict[str, str]:
        """Return what the done-file keeps of it beside its index row, by the names of its fields there."""
        return {
            "details": self.detail,
            "sources": self.source_sha256,
            "suspects": self.suspect,
            "contents": self.content.hex() if self.content else "",
        }


Stored = Accepted | Rejected

# FFmpeg transcodes one video and a second one waits, while the one before is checked and packed: without the
# waiting one, two FFmpegs leave two cores idle for 5 to 8 % of the time.
_AHEAD = 2


def build_shard(task: ShardTask, report: Report) -> None:
    """Transcode the videos of one shard and write its tar, then its done-file.

    Args:
        report: Called with an event when the shard starts and after each video, from several threads.

    Raises:
        BuildStopped: If the build was asked to stop; finished videos are kept.
        BuildError: If the disk is full, or anything unexpected happened to a video, which is named.
        SourceError: If a source is not what the plan says.
    """
    remove_abandoned_scratch()
    task.check_vidprep()
    task = replace(task, out_dir=task.place.arrive(task.out_dir))
    ffmpeg_path = checked_ffmpeg(task.ffmpeg, task.ffmpeg_version, task.transcode)
    rows = read_shard_rows(task.out_dir, task.shard)
    stop_if_asked(task)
    report({"event": "shard", "shard": task.shard, "split": rows[0]["split"], "num_videos": len(rows)})
    kept = find_unfinished(task.out_dir, task.shard)
    new_rows = [row for row in rows if row["key"] not in kept]
    with closing(_attempts(task, ffmpeg_path, new_rows, report)) as attempts:
        write_shard(task, rows, _stored_videos(task, rows, kept, attempts, report), keep=True)
    for unfinished in kept.values():
        remove_unfinished(unfinished.partial_path)


def _stored_videos(
    task: ShardTask,
    rows: list[Row],
    kept: dict[str, Unfinished],
    attempts: "Iterator[tuple[Row, _Attempt]]",
    report: Report,
) -> Iterator[Stored]:
    """Yield each video to store, or why it is rejected; its folder is deleted before the next one."""
    for row in rows:
        if row["key"] in kept:
            stored: Stored = _kept_video(task, row, kept[row["key"]])
            yield stored
            report(_video_event(task, row, stored, 0.0))
        else:
            attempt = next(attempts)[1]
            stored = _checked(task, row, attempt)
            yield stored
            report(_video_event(task, row, stored, attempt.seconds))


def write_shard(task: ShardTask, rows: list[Row], videos: Iterator[Stored], *, keep: bool = False) -> None:
    """Write a shard's tar under a temporary name, give it its name, then write its done-file.

    Args:
        task: Which shard of which set.
        rows: The videos planned for it, in order.
        videos: Each of them as it is to be stored, or why it is rejected.
        keep: Whether the next run takes over what is finished when this one is stopped.

    Raises:
        BuildError: If the disk is full.
    """
    partial_path = new_partial_path(task.out_dir, task.shard)
    try:
        with full_disk_as_build_error(task.out_dir), noted_samples(task.out_dir, partial_path) as note:
            _write_shard(task, rows, videos, partial_path, note)
    except (BuildStopped, SourceError, ShardError, KeyboardInterrupt):  # ShardError: of a store
        if not keep:
            remove_unfinished(partial_path)
        raise
    except BaseException:  # a full disk needs the room
        remove_unfinished(partial_path)
        raise
    remove_unfinished(partial_path)  # the tar has its final name by now; the lines about it are left


def _write_shard(
    task: ShardTask, rows: list[Row], videos: Iterator[Stored], partial_path: Path, note: Note
) -> None:
    rejected: list[Rejected] = []
    facts: dict[str, dict[str, str]] = {}
    with ShardWriter(partial_path) as writer:
        for row, stored in zip(rows, videos, strict=True):
            if isinstance(stored, Rejected):
                rejected.append(stored)
            else:
                writer.write(stored.sample)
                facts[row["key"]] = stored.facts()
                note(writer.rows[-1], stored.facts())
    done = DoneShard(
        shard=task.shard,
        split=rows[0]["split"],
        rows=tuple(writer.rows),
        **{name: _known(facts, name) for name in ("details", "sources", "suspects", "contents")},
        rejected=tuple(rejected),
        size_bytes=writer.size_bytes if writer.rows else 0,
        sha256=writer.sha256,
        md5=writer.md5,
    )
    task.place.keep(task.out_dir, done, partial_path)


def _known(facts: dict[str, dict[str, str]], name: str) -> dict[str, str]:
    """Return one fact of each used video, by key; without facts that are not known."""
    return {key: each[name] for key, each in facts.items() if each[name]}


class _Fetched(NamedTuple):
    """A source as a local file, and the folder of the video."""

    row: Row
    source: Source | Rejected
    scratch: "tempfile.TemporaryDirectory[str]"
    seconds: float


@dataclass(frozen=True)
class _Attempt:
    """What FFmpeg made of a video, and the folder in which it lies."""

    source: Source | Rejected
    outcome: TranscodedVideo | Rejected
    scratch: "tempfile.TemporaryDirectory[str]"
    seconds: float


def _attempts(
    task: ShardTask, ffmpeg_path: str, rows: list[Row], report: Report
) -> Generator[tuple[Row, _Attempt], None, None]:
    """Yield each row with what FFmpeg made of it, in order.

    FFmpeg works one video ahead of the caller; the source of the next one is fetched meanwhile.
    """
    reading, transcoding = ThreadPoolExecutor(max_workers=1), ThreadPoolExecutor(max_workers=1)
    ahead: deque[tuple[Future[_Fetched], Future[_Attempt]]] = deque()
    try:
        for number, row in enumerate(rows):
            while len(ahead) < min(_AHEAD, len(rows) - number):
                fetched = reading.submit(_fetch, task, rows[number + len(ahead)])
                ahead.append((fetched, transcoding.submit(_attempt, task, ffmpeg_path, fetched, report)))
            with (attempt := ahead.popleft()[1].result()).scratch:
                yield row, attempt
    finally:
        for pool in (reading, transcoding):
            pool.shutdown(cancel_futures=True)
        for fetched, _ in ahead:
            if not fetched.cancelled() and not fetched.exception():
                fetched.result().scratch.cleanup()


def _fetch(task: ShardTask, row: Row) -> _Fetched:
    stop_if_asked(task)
    started = time.monotonic()
    scratch = scratch_folder()
    try:
        source = or_rejected(row, partial(_read, task, row, Path(scratch.name)))
    except BaseException:
        scratch.cleanup()
        raise
    return _Fetched(row, source, scratch, time.monotonic() - started)


def _attempt(task: ShardTask, ffmpeg_path: str, fetched: Future[_Fetched], report: Report) -> _Attempt:
    row, source, scratch, seconds = fetched.result()
    started = time.monotonic()
    try:
        stop_if_asked(task)
        tell = partial(_report_no_time, task, row, report)
        wait_if_too_late(row["source_bytes"], tell, partial(stop_if_asked, task))
        outcome: TranscodedVideo | Rejected
        if isinstance(source, Rejected):
            outcome = source
        else:
            outcome = or_rejected(row, partial(_transcode, task, ffmpeg_path, source, Path(scratch.name)))
            source.check_unchanged()
            if isinstance(outcome, TranscodedVideo):
                PACE.note(row["source_bytes"], time.monotonic() - started)
    except BaseException:
        scratch.cleanup()
        raise
    return _Attempt(source, outcome, scratch, seconds + time.monotonic() - started)


def _report_no_time(task: ShardTask, row: Row, report: Report, seconds: float, seconds_left: float) -> None:
    event = {"event": "no time", "shard": task.shard, "source": row["source"]}
    report(event | {"seconds": round(seconds, 3), "seconds_left": round(seconds_left, 3)})


def _read(task: ShardTask, row: Row, scratch_dir: Path) -> Source:
    return read_source(row, scratch_dir, index_dir_of(task.out_dir), images=task.frame_rate > 0)


def _transcode(task: ShardTask, ffmpeg_path: str, source: Source, scratch_dir: Path) -> TranscodedVideo:
    check_checksum(source)
    return transcode(
        source.path,
        scratch_dir,
        task.transcode,
        ffmpeg_path,
        segment=segment_of(source.row),
        frame_rate=task.frame_rate,
    )


def _checked(task: ShardTask, row: Row, attempt: _Attempt) -> Stored:
    source, outcome = attempt.source, attempt.outcome
    if isinstance(source, Rejected):
        return source
    video = outcome
    if isinstance(outcome, TranscodedVideo):
        video = or_rejected(row, partial(check_stored, outcome, task.transcode))
    if isinstance(video, Rejected):
        return video.model_copy(update={"source_sha256": source.sha256})
    data = source.read_again() if video.path == source.path else video.path.read_bytes()
    sample = _sample(task, row, video, data)
    return Accepted(sample, video.detail, source.sha256, video.suspect, video.content)


def or_rejected(row: Row, step: Callable[[], Result]) -> Result | Rejected:
    """Carry out one step for a video; the only place where an exception becomes a rejected video."""
    try:
        with explained(row):
            return step()
    except VideoRejected as error:
        return Rejected(key=row["key"], reason=error.reason, detail=error.detail)


@contextmanager
def explained(row: Row) -> Iterator[None]:
    """Turn an unexpected exception into an error that names the video."""
    try:
        yield
    except VidprepError:
        raise
    except Exception as error:
        if is_disk_full(error):
            raise
        raise BuildError(
            f"{row['key']} ({row['source']}): unexpected {type(error).__name__}: {error}. "
            "Finished shards are kept."
        ) from error


def _kept_video(task: ShardTask, row: Row, unfinished: Unfinished) -> Accepted:
    known, video = unfinished.videos[row["key"]], unfinished.read(row["key"])
    if video is None:
        raise BuildError(f"{unfinished.tar_path} changed while it was read. Run the same build again.")
    facts = known.model_dump(include={"num_frames", "width", "height", "fps", "duration_seconds"})
    return Accepted(
        Sample(**_named(task, row), **facts, video=video),
        known.details,
        known.sources,
        known.suspects,
        bytes.fromhex(known.contents) or None,
    )


def _named(task: ShardTask, row: Row) -> dict[str, Any]:
    """Return what the plan says of a sample."""
    further = json.loads(row["more_labels"]) if row["more_labels"] else {}
    return {name: row[name] for name in ("key", "split", "video_id", "label", "label_full")} | {
        "class_name": row["class"],
        "more_labels": tuple(
            (name, label, task.label_sets[name].index(label)) for name, label in further.items()
        ),
    }


def _sample(task: ShardTask, row: Row, video: TranscodedVideo, data: bytes) -> Sample:
    return Sample(
        **_named(task, row),
        num_frames=video.num_frames,
        width=video.width,
        height=video.height,
        fps=video.fps,
        duration_seconds=video.num_frames / video.fps if video.fps else 0.0,
        video=data,
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
    if isinstance(outcome, Accepted):
        event["size_bytes"] = len(outcome.sample.video)
        return event | {"suspect": outcome.suspect} if outcome.suspect else event
    return event
