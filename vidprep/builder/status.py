"""How far a build is, read from its folder: while it runs, after a crash, or when it is done."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vidprep.builder.finished import read_done
from vidprep.builder.log import read_log
from vidprep.builder.plan import PlanFacts, read_facts
from vidprep.builder.workspace import is_running
from vidprep.shards.layout import MANIFEST


@dataclass(frozen=True)
class BuildStatus:
    """The state of a build.

    Attributes:
        state: "running", "complete", or "stopped" (by a person, an error or a crash).
        num_shards: Planned.
        num_shards_done: Finished.
        num_videos: To transcode.
        num_videos_done: Transcoded or rejected, those of unfinished shards of a running build included.
        num_rejected: Rejected so far, before or while transcoding.
        num_missing: Annotated videos that no source folder holds.
        videos_per_second: Since the last start; 0.0 if it did not get that far.
        eta_seconds: Of a running build, else None.
        last_event: The last line of the log, or None.
    """

    state: str
    num_shards: int
    num_shards_done: int
    num_videos: int
    num_videos_done: int
    num_rejected: int
    num_missing: int
    videos_per_second: float
    eta_seconds: float | None
    last_event: dict[str, Any] | None


def read_status(out_dir: Path) -> BuildStatus:
    """Read the state of a build from its folder.

    Raises:
        BuildError: If there is no build in it.
    """
    facts = read_facts(out_dir)
    done = read_done(out_dir, facts)
    log = read_log(out_dir)
    running = is_running(out_dir)
    complete = (out_dir / MANIFEST).is_file() and len(done) == len(facts.shard_sizes)
    in_hand = _videos_in_hand(log, done.keys()) if running else []
    num_done = sum(facts.shard_sizes[number] for number in done) + len(in_hand)
    rate = _videos_per_second(log)
    return BuildStatus(
        state="running" if running else "complete" if complete else "stopped",
        num_shards=len(facts.shard_sizes),
        num_shards_done=len(done),
        num_videos=facts.num_videos,
        num_videos_done=num_done,
        num_rejected=_num_rejected(facts, list(done.values()), in_hand),
        num_missing=facts.num_missing,
        videos_per_second=rate,
        eta_seconds=(facts.num_videos - num_done) / rate if running and rate else None,
        last_event=log[-1] if log else None,
    )


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
