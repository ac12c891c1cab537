"""How far a build is, read from its folder: while it runs, after a crash, or when it is done."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from vidprep.builder.plan import PlanFacts
from vidprep.builder.progress.worker_status import WorkerStatus, worker_statuses
from vidprep.builder.workspace.extensions import extension_dir
from vidprep.builder.workspace.finished import read_done
from vidprep.builder.workspace.lock import is_running
from vidprep.builder.workspace.log import CUT_SHORT, LogFile, describe_problems, scan_log
from vidprep.builder.workspace.plan_file import planned_facts, read_facts
from vidprep.builder.workspace.shares import is_share_running, share_dirs
from vidprep.shards.layout import MANIFEST
from vidprep.shards.ledger import is_planned, read_ledger
from vidprep.shards.manifest import read_manifest
from vidprep.shards.transfer.outline import local_outline


@dataclass(frozen=True)
class BuildStatus:
    """The state of a build.

    Attributes:
        state: "running", "complete", or "stopped" (by a person, an error or a crash).
        generation: The generation that is built: 1, or that of an extension; of a finished set, its last one.
        num_shards: Planned shards.
        num_shards_done: Finished shards.
        num_videos: Videos to transcode.
        num_videos_done: Videos transcoded or rejected, those in unfinished shards of a running build, too.
        num_rejected: Videos rejected so far, before or while transcoding.
        num_suspect: Used videos that look damaged, in finished shards.
        num_missing: Annotated videos that no source folder holds.
        videos_per_second: Videos transcoded a second since the last start; 0.0 if it did not get that far.
        eta_seconds: About how many seconds a running build still needs; else None.
        last_event: The last whole line of the log, or None.
        log_problem: Which lines of the log cannot be read, in a sentence; None: all can. Of a running build
            the last line may be one that is being written.
        num_tasks_running: Tasks of a job array that are at work.
        workers: What each worker of a running build is doing.
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
    num_tasks_running: int = 0
    workers: tuple[WorkerStatus, ...] = ()


# For a finished set without the files that its build kept; the numbers come from its manifest and ledger.
_COPIED = BuildStatus(
    state="complete",
    generation=1,
    num_shards=0,
    num_shards_done=0,
    num_videos=0,
    num_videos_done=0,
    num_rejected=0,
    num_missing=0,
    num_suspect=0,
    videos_per_second=0.0,
    eta_seconds=None,
    last_event=None,
)


def read_status(out_dir: Path | str) -> BuildStatus:
    """Read the state of a build from its folder, or from the store that it is built into.

    Raises:
        BuildError: If there is no build in it.
        ShardError: If the store does not answer.
    """
    with local_outline(out_dir) as folder:
        return _status_of(folder)


def _status_of(out_dir: Path) -> BuildStatus:
    shares = share_dirs(out_dir)
    if not shares and planned_facts(out_dir) is None and (out_dir / MANIFEST).is_file():
        return _of_finished_set(_COPIED, out_dir)
    running_shares = [folder for folder in shares if is_share_running(out_dir, folder)]
    running = is_running(out_dir)  # before the rest: what is read after the end of a build is final
    folder, generation = _in_work(out_dir)
    facts = read_facts(folder) if planned_facts(folder) or not shares else read_facts(shares[0])
    done = {number: shard for each in (*shares, folder) for number, shard in read_done(each, facts).items()}
    at_work = [*([folder] if running else []), *running_shares]
    logs = {each: scan_log(each) for each in (folder, *shares)}
    problems = [
        describe_problems(each, lines)
        for each in logs
        if (lines := _damaged_lines(logs[each], each in at_work))
    ]
    events = [event for log in logs.values() for event in log.events]
    complete = folder == out_dir and (out_dir / MANIFEST).is_file() and len(done) == len(facts.shard_sizes)
    in_hand = [event for each in at_work for event in _videos_in_hand(logs[each].events, done.keys())]
    num_done = sum(facts.shard_sizes[number] for number in done) + len(in_hand)
    rate = sum(_videos_per_second(logs[each].events) for each in at_work or [folder])
    status = BuildStatus(
        state="running" if at_work else "complete" if complete else "stopped",
        generation=generation,
        num_shards=len(facts.shard_sizes),
        num_shards_done=len(done),
        num_videos=facts.num_videos,
        num_videos_done=num_done,
        num_rejected=_num_rejected(facts, list(done.values()), in_hand),
        num_missing=facts.num_missing,
        num_suspect=sum(len(shard.suspects) for shard in done.values()),
        videos_per_second=rate,
        eta_seconds=(facts.num_videos - num_done) / rate if at_work and rate else None,
        last_event=max(events, key=lambda event: event["time"], default=None),
        log_problem="; ".join(problems) or None,
        num_tasks_running=len(running_shares),
        workers=tuple(
            one for each in at_work for one in worker_statuses(_since_last_start(logs[each].events), done)
        ),
    )
    return _of_finished_set(status, out_dir) if complete and generation > 1 else status


def _of_finished_set(status: BuildStatus, out_dir: Path) -> BuildStatus:
    """Count what a set holds that was extended later, or copied without the files that its build kept."""
    manifest, ledger = read_manifest(out_dir), read_ledger(out_dir).to_pandas()
    num_videos = int(is_planned(ledger).sum())
    return replace(
        status,
        generation=manifest.generation,
        num_shards=len(manifest.shards),
        num_shards_done=len(manifest.shards),
        num_videos=num_videos,
        num_videos_done=num_videos,
        num_rejected=int((ledger["status"] == "rejected").sum()),
        num_missing=int((ledger["status"] == "missing").sum()),
        num_suspect=int((ledger["suspect"] != "").sum()),
    )


def _damaged_lines(log: LogFile, is_at_work: bool) -> list[str]:
    """Return the lines that cannot be read; the last one of a process at work may be one it is writing."""
    return [problem for problem in log.problems if not (is_at_work and problem.endswith(CUT_SHORT))]


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
