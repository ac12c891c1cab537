"""Engines: functions that build shards in this process, on this machine's cores, or on a cluster."""

import contextlib
import functools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker, wait

from vidprep.builder.engines.slurm_jobs import SlurmJobs
from vidprep.builder.engines.stragglers import ShardTimes
from vidprep.builder.engines.worker_versions import check_workers
from vidprep.builder.shard import build_shard
from vidprep.builder.shard_task import Report, ShardTask, stop_if_build_is_asked
from vidprep.builder.workspace.lock import ask_to_stop
from vidprep.errors import BuildError, ToolError
from vidprep.machine import num_cores
from vidprep.shards.transfer.store import RETRIES
from vidprep.stop_signals import ignore_ctrl_c_in_children

RunShards = Callable[[list[ShardTask], Report], None]

_TOPIC = "vidprep-build"
_CONNECT_SECONDS = 15
_REPORT_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_IDLE_LOOK_SECONDS = 2.0
_NUM_NAMED = 5  # shards that a message names one by one
_DASK_SETTINGS = {
    # A worker that is killed is replaced and its shard begun again, three times.
    "distributed.scheduler.allowed-failures": 3,
    "distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS}s",
    # A task runs FFmpeg for minutes and returns nothing: Dask's limits are for tasks that hold large results.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.limit": "60s",
    # Dask samples every thread a hundred times a second, for profiles that are not used here.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.worker.memory.monitor-interval": "10s",
}


def choose_engine(
    *, workers: int | None, scheduler: str | None, in_process: bool, slurm: str | None = None
) -> RunShards:
    """Return the engine: a function that builds a list of shards and reports each event.

    Args:
        workers: Number of worker processes on this machine; None: one per core.
        scheduler: Address of a running Dask scheduler, whose workers are used instead.
        in_process: One video after the other in this process; for debugging.
        slurm: SLURM jobs whose workers are used instead, e.g. "nodes=4,time=04:00:00"; see `SlurmJobs`.

    Raises:
        ValueError: If more than one of them is asked for, or `slurm` cannot be read.
    """
    if sum((workers is not None, scheduler is not None, in_process, slurm is not None)) > 1:
        raise ValueError("workers, scheduler, slurm and in_process exclude each other.")
    if slurm is not None:
        return functools.partial(build_on_slurm, jobs=SlurmJobs.parse(slurm))
    if in_process:
        return build_in_process
    if scheduler:
        return functools.partial(build_on_cluster, address=scheduler)
    return functools.partial(build_on_this_machine, num_workers=workers or num_cores())


def build_in_process(tasks: list[ShardTask], report: Report) -> None:
    """Build the shards one after the other in this process; for debugging.

    Args:
        tasks: One per shard.
        report: Called with each event.
    """
    for task in tasks:
        build_shard(task, lambda event: report(event | {"worker": "here"}))
        report({"event": "done", "shard": task.shard})


def build_nothing(tasks: list[ShardTask], report: Report) -> None:
    """Refuse to build: all shards should be finished.

    Raises:
        BuildError: If some are not, which it names.
    """
    named = ", ".join(str(task.shard) for task in tasks[:_NUM_NAMED])
    more = ", ..." if len(tasks) > _NUM_NAMED else ""
    raise BuildError(
        f"{len(tasks):,} shards are not finished (number {named}{more}). Run the tasks that were to build "
        "them again, or the same command without --finalise, which builds them here."
    )


def build_on_this_machine(tasks: list[ShardTask], report: Report, *, num_workers: int) -> None:
    """Build the shards with worker processes of this machine.

    Args:
        tasks: One per shard.
        report: Called with each event, from another thread.
        num_workers: Processes; each transcodes one video at a time.

    Raises:
        BuildError: As `build_shard`, or if the workers of one shard were lost four times.
    """
    with dask.config.set(_DASK_SETTINGS), ignore_ctrl_c_in_children():
        cluster = LocalCluster(
            n_workers=min(num_workers, len(tasks)),
            threads_per_worker=1,
            processes=True,
            memory_limit=None,
            dashboard_address="127.0.0.1:0",  # any free port: two builds may share a machine
            silence_logs=logging.CRITICAL,
        )
    with dask.config.set(_DASK_SETTINGS), _silent_dask(), cluster, Client(cluster) as client:
        _build_with(client, tasks, report)


def build_on_cluster(tasks: list[ShardTask], report: Report, *, address: str) -> None:
    """Build the shards with the workers of a running Dask scheduler.

    Args:
        tasks: One per shard.
        report: Called with each event, from another thread.
        address: Address of the scheduler, e.g. "tcp://node7:8786".

    Raises:
        ToolError: If no scheduler answers there, or a worker has other versions than this process.
        BuildError: As `build_on_this_machine`.
    """
    with dask.config.set(_DASK_SETTINGS), _silent_dask():
        try:
            client = Client(address, timeout=_CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise ToolError(
                f"No Dask scheduler answers at {address} ({type(error).__name__}). Start one with "
                "`dask scheduler`, workers with `dask worker ADDRESS --nthreads 1`, or leave --scheduler out."
            ) from error
        with client:
            if not client.scheduler_info()["workers"]:
                report({"event": "no workers", "address": address})
            with contextlib.suppress(KeyError):  # a scheduler without a dashboard
                report({"event": "dashboard", "address": client.dashboard_link})
            check_workers(client, tasks[0].ffmpeg)
            _build_with(client, tasks, report)


def build_on_slurm(tasks: list[ShardTask], report: Report, *, jobs: SlurmJobs) -> None:
    """Build the shards with workers that SLURM starts; they end with the build.

    Args:
        tasks: One per shard.
        report: Called with each event, from another thread.
        jobs: What to ask SLURM for.

    Raises:
        ToolError: If SLURM, or dask-jobqueue, is not there, or SLURM refuses such a job.
        BuildError: As `build_on_this_machine`.
    """
    jobs.check()
    with dask.config.set(_DASK_SETTINGS), _silent_dask(), ignore_ctrl_c_in_children():
        cluster = jobs.cluster()
    with dask.config.set(_DASK_SETTINGS), _silent_dask(), cluster, Client(cluster) as client:
        report({"event": "no workers", "address": cluster.scheduler_address})
        report({"event": "dashboard", "address": client.dashboard_link})
        _build_with(client, tasks, report)


def _build_with(client: Client, tasks: list[ShardTask], report: Report) -> None:
    times = ShardTimes()

    def receive(stamped: tuple[float, dict[str, Any]]) -> None:
        message = stamped[1]  # Dask has put the worker's address into it
        for event in message["events"]:
            if event["event"] == "shard":
                times.begin(event["shard"], time.monotonic())
            report(event | {"worker": message["worker"].removeprefix("tcp://")})

    client.subscribe_topic(_TOPIC, receive)
    longest_first = sorted(tasks, key=lambda task: -task.source_bytes)  # so that none is left for the end
    futures = client.map(_build_on_worker, longest_first, pure=False)
    task_of = {future.key: task for future, task in zip(futures, longest_first, strict=True)}
    waiting = {task.shard: task for task in tasks}
    completed = as_completed(futures)

    def begin_again() -> None:
        for shard, worker in times.to_begin_again(time.monotonic(), _idle_workers(client)):
            twin = client.submit(_build_on_worker, waiting[shard], pure=False, workers=[worker])
            task_of[twin.key] = waiting[shard]
            futures.append(twin)
            completed.add(twin)

    try:
        for future in _as_completed(completed, tasks[0], begin_again):
            task = task_of[future.key]
            if waiting.get(task.shard) is None:
                continue  # another worker finished the same shard first
            _raise_error_of(future, task.shard)
            del waiting[task.shard]
            times.finish(task.shard, time.monotonic())
            if task.shard in times.again:
                with contextlib.suppress(OSError):  # a scheduler that is gone: the other shards will tell
                    client.run(task.place.ask_to_stop, task.out_dir, task.name_of_stop, on_error="ignore")
            report({"event": "done", "shard": task.shard})
            if not waiting:
                return  # the slower of two workers on one shard is not waited for
    except BaseException:
        _stop_workers(client, tasks[0], futures)
        raise


def _as_completed(
    completed: as_completed, task: ShardTask, now_and_then: Callable[[], object]
) -> Iterator[Future]:
    """Yield each future when it is done, and stop on request even if no worker is left to notice it.

    Args:
        completed: The futures; some may be added meanwhile.
        task: One of those that they carry out.
        now_and_then: Called every few seconds.
    """
    looked = time.monotonic()
    while completed.count():
        yield from completed.next_batch(block=False)
        stop_if_build_is_asked(task)
        time.sleep(_LOOK_SECONDS)
        if time.monotonic() - looked > _IDLE_LOOK_SECONDS:
            looked = time.monotonic()
            now_and_then()


def _idle_workers(client: Client) -> list[str]:
    """Return the workers that have nothing to do; then no shard waits to be begun.

    The list is empty where the scheduler does not answer: if it is gone, the futures will say so.
    """
    try:
        return [address for address, keys in client.processing().items() if not keys]
    except OSError:
        return []


def _build_on_worker(task: ShardTask) -> None:
    worker = get_worker()
    events: list[dict[str, Any]] = []
    sent = time.monotonic()
    lock = threading.Lock()

    def report(event: dict[str, Any]) -> None:
        with lock:
            events.append(event)
            # Sent together, twice a second: a message each would cost a short video 3 % of its time.
            if event["event"] != "video" or time.monotonic() - sent > _REPORT_SECONDS:
                send()

    def send() -> None:
        nonlocal sent
        if num_retries := RETRIES.take():
            events.append({"event": "retries", "num_retries": num_retries})
        worker.log_event(_TOPIC, {"events": events.copy()})
        events.clear()
        sent = time.monotonic()

    try:
        build_shard(task, report)
    finally:
        send()


def _raise_error_of(future: Future, shard: int) -> None:
    if future.status == "cancelled":
        raise BuildError("The Dask scheduler is gone. Finished shards are kept: run the same build again.")
    error = future.exception()
    if isinstance(error, KilledWorker):
        raise BuildError(
            f"Shard {shard} lost its worker {error.allowed_failures + 1} times: the workers are killed "
            "from outside, or run out of memory. Finished shards are kept: run the same build again "
            "with fewer workers."
        ) from error
    if error is not None:
        raise error


def _stop_workers(client: Client, task: ShardTask, futures: list[Future]) -> None:
    """Let each worker finish its current video, so that no child process and no temporary file is left."""
    if client.status != "running":
        return
    with contextlib.suppress(TimeoutError, OSError):
        ask_to_stop(task.out_dir)
        client.run(task.place.ask_to_stop, task.out_dir, on_error="ignore")
        begun = {key for keys in client.processing().values() for key in keys}
        client.cancel([future for future in futures if future.key not in begun])
        wait([future for future in futures if future.key in begun], timeout=task.transcode.timeout_seconds)
        client.run(task.place.forget_stop, task.out_dir, on_error="ignore")


@contextlib.contextmanager
def _silent_dask() -> Iterator[None]:
    """Keep Dask's log off the terminal: what a person should know is raised as an error of ours."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
