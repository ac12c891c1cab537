"""How far a build is, read from its folder: while it runs, after a crash, or when it is done."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vidprep.builder.plan import PlanFacts
from vidprep.builder.workspace.extensions import extension_dir
from vidprep.builder.workspace.finished import read_done
from vidprep.builder.workspace.lock import is_running
from vidprep.builder.workspace.log import CUT_SHORT, describe_problems, scan_log
from vidprep.builder.workspace.plan_file import planned_facts, read_facts
from vidprep.shards.layout import MANIFEST
from vidprep.shards.manifest import read_manifest


@dataclass(frozen=True)
class BuildStatus:
    """The state of a build.

    Attributes:
        state: "running", "complete", or "stopped" (by a person, an error or a crash).
        generation: Which one is built: 1, or that of an extension that was begun; of a finished set, its own.
        num_shards: Planned.
        num_shards_done: Finished.
        num_videos: To transcode.
        num_videos_done: Transcoded or rejected, those of unfinished shards of a running build included.
        num_rejected: Rejected so far, before or while transcoding.
        num_suspect: Used, although they look damaged, in finished shards.
        num_missing: Annotated videos that no source folder holds.
        videos_per_second: Since the last start; 0.0 if it did not get that far.
        eta_seconds: Of a running build, else None.
        last_event: The last whole line of the log, or None.
        log_problem: Which lines of the log cannot be read, in a sentence; None: all can. Of a running build
            the last line may be one that is being written.
    """

    state: str
    generation: int
    num_shards: int
    num_shards_done: int
    num_videos: int
    num_videos_done: int
    num_rejected: int
    num_missing: int
    num_suspect: int
    videos_per_second: float
    eta_seconds: float | None
    last_event: dict[str, Any] | None
    log_problem: str | None = None


def read_status(out_dir: Path) -> BuildStatus:
    """Read the state of a build from its folder.

    Raises:
        BuildError: If there is no build in it.
    """
    running = is_running(out_dir)  # first: what is read after the end of a build is final
    folder, generation = _in_work(out_dir)
    facts = read_facts(folder)
    done = read_done(folder, facts)
    log, problems = scan_log(folder)
    if running:
        problems = [problem for problem in problems if not problem.endswith(CUT_SHORT)]
    complete = folder == out_dir and (out_dir / MANIFEST).is_file() and len(done) == len(facts.shard_sizes)
    in_hand = _videos_in_hand(log, done.keys()) if running else []
    num_done = sum(facts.shard_sizes[number] for number in done) + len(in_hand)
    rate = _videos_per_second(log)
    return BuildStatus(
        state="running" if running else "complete" if complete else "stopped",
        generation=generation,
        num_shards=len(facts.shard_sizes),
        num_shards_done=len(done),
        num_videos=facts.num_videos,
        num_videos_done=num_done,
        num_rejected=_num_rejected(facts, list(done.values()), in_hand),
        num_missing=facts.num_missing,
        num_suspect=sum(len(shard.suspects) for shard in done.values()),
        videos_per_second=rate,
        eta_seconds=(facts.num_videos - num_done) / rate if running and rate else None,
        last_event=log[-1] if log else None,
        log_problem=describe_problems(folder, problems) if problems else None,
    )


def _in_work(out_dir: Path) -> tuple[Path, int]:
    """Return the folder of an extension that was begun, else of the build; and the generation."""
    now = read_manifest(out_dir).generation if (out_dir / MANIFEST).is_file() else 1
    extension = extension_dir(out_dir, now + 1)
    return (out_dir, now) if planned_facts(extension) is None else (extension, now + 1)


def _num_rejected(facts: PlanFacts, done: list[Any], in_hand: list[dict[str, Any]]) -> int:
    return (
        facts.num_rejected
        + sum(len(shard.rejected) for shard in done)
        + sum("reason" in event for event in in_hand)
    )


def _since_last_start(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    starts = [number for number, event in enumerate(log) if event["event"] == "start"]
    return log[starts[-1] :] if starts else []


def _videos_in_hand(log: list[dict[str, Any]], done: Any) -> list[dict[str, Any]]:
    """Return the last attempt's video events of shards that are not finished."""
    videos: dict[int, list[dict[str, Any]]] = {}
    for event in _since_last_start(log):
        if event["event"] == "shard":
            videos[event["shard"]] = []
        elif event["event"] == "video" and event["shard"] in videos:
            videos[event["shard"]].append(event)
    return [event for shard, events in videos.items() if shard not in done for event in events]


def _videos_per_second(log: list[dict[str, Any]]) -> float:
    events = _since_last_start(log)
    times = [datetime.fromisoformat(event["time"]) for event in events if event["event"] == "video"]
    if not times:
        return 0.0
    seconds = (times[-1] - datetime.fromisoformat(events[0]["time"])).total_seconds()
    return len(times) / seconds if seconds > 0 else 0.0
