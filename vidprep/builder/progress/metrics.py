"""The progress of a build for Prometheus: counters in its text format, served on 127.0.0.1.

Without the package prometheus_client: where that can be imported, every scheduler and worker of Dask begins
to keep and serve counters of its own.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from vidprep.errors import ToolError
from vidprep.shards.ledger import REASONS
from vidprep.shards.transfer.store import RETRIES

HOST = "127.0.0.1"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RATE_SECONDS = 60.0
_REQUEST_SECONDS = 5.0  # after which a connection that asks nothing is closed

OnEvent = Callable[[dict[str, Any]], object]


class BuildMetrics:
    """Counts the events of a build; safe to use from several threads.

    Args:
        clock: Tells the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self._lock = threading.Lock()
        self._name = ""
        self._num_planned = self._num_before = self._num_again = 0
        self._num_built = self._num_bytes = self._num_retries = 0
        self._rejected = dict.fromkeys(REASONS, 0)
        self._in_shards: Counter[int] = Counter()  # videos by shard, so that a shard begun again counts once
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._times: deque[float] = deque()

    def count(self, event: dict[str, Any]) -> None:
        """Take in one event of a build."""
        with self._lock:
            kind = event["event"]
            if kind == "planned":
                self._name = event["name"]
                self._num_planned, self._num_before = event["num_videos"], event["num_finished"]
            elif kind == "shard":
                self._num_again += event["shard"] in self._begun
                self._begun.add(event["shard"])
                if event["shard"] not in self._finished:
                    self._in_shards[event["shard"]] = 0
            elif kind == "video":
                self._count_video(event)
            elif kind == "done":
                self._finished.add(event["shard"])
            elif kind == "retries":
                self._num_retries += event["num_retries"]

    def _count_video(self, event: dict[str, Any]) -> None:
        if event["shard"] not in self._finished:  # else it comes from the slower of two workers on one shard
            self._in_shards[event["shard"]] += 1
        self._times.append(self._clock())
        if "reason" in event:
            self._rejected[event["reason"]] += 1
        else:
            self._num_built += 1
            self._num_bytes += event["size_bytes"]

    def text(self) -> str:
        """Return all of it in Prometheus' text format."""
        with self._lock:
            self._num_retries += RETRIES.take()
            rejected = {f'{{reason="{reason}"}}': num for reason, num in self._rejected.items()}
            lines = [
                *_metric("videos_built_total", "Videos transcoded.", self._num_built),
                *_metric("videos_rejected_total", "Videos rejected while building, by reason.", rejected),
                *_metric("stored_bytes_total", "Bytes of the transcoded videos.", self._num_bytes),
                *_metric("shards_finished_total", "Shards finished.", len(self._finished)),
                *_metric(
                    "shards_begun_again_total",
                    "Shards begun once more: their worker was lost, or slow.",
                    self._num_again,
                ),
                *_metric("store_retries_total", "Requests to stores made again.", self._num_retries),
                *_metric("videos_planned", "Videos of the build, finished ones included.", self._num_planned),
                *_metric(
                    "videos_done",
                    "Of these, transcoded or rejected, in earlier runs, too.",
                    self._num_before + self._in_shards.total(),
                ),
                *_metric("videos_per_second", "Over the last minute.", self._rate()),
                *_metric("info", "Always 1.", {f'{{name="{_escaped(self._name)}"}}': 1}),
            ]
        return "\n".join(lines) + "\n"

    def _rate(self) -> float:
        now = self._clock()
        while self._times and self._times[0] < now - _RATE_SECONDS:
            self._times.popleft()
        seconds = min(_RATE_SECONDS, now - self._started)
        return round(len(self._times) / seconds, 3) if seconds > 0 else 0.0


def _metric(name: str, words: str, values: float | dict[str, int]) -> list[str]:
    """Return the lines of one metric.

    Args:
        name: Its name without the prefix.
        words: What it is.
        values: Its value; or its values, by their labels.
    """
    name = f"vidprep_build_{name}"
    kind = "counter" if name.endswith("_total") else "gauge"
    by_labels = values if isinstance(values, dict) else {"": values}
    samples = [f"{name}{labels} {value}" for labels, value in by_labels.items()]
    return [f"# HELP {name} {words}", f"# TYPE {name} {kind}", *samples]


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # the end of a build waits for the answer being sent

    def __init__(self, port: int, metrics: BuildMetrics) -> None:
        self.metrics = metrics
        super().__init__((HOST, port), _Handler)


class _Handler(BaseHTTPRequestHandler):
    timeout = _REQUEST_SECONDS
    server: _Server

    def do_GET(self) -> None:  # the name that http.server wants
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404, "Only /metrics is here")
            return
        data = self.server.metrics.text().encode()
        self.send_response(200)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing on the terminal of a build."""


@contextmanager
def serving_metrics(port: int | None, on_event: OnEvent) -> Iterator[OnEvent]:
    """Serve the progress of a build during a `with` block.

    Args:
        port: Port of 127.0.0.1; 0: any free one, which an event "metrics" tells; None: serve nothing.
        on_event: Called with each event, after it was counted.

    Yields:
        The function to call with each event of the build.

    Raises:
        ValueError: If `port` is no port number.
        ToolError: If the port cannot be had.
    """
    check_metrics_port(port)
    if port is None:
        yield on_event
        return
    metrics = BuildMetrics()
    try:
        server = _Server(port, metrics)
    except OSError as error:
        raise ToolError(
            f"Metrics cannot be served on {HOST}:{port}: {error.strerror}. Choose another port, or 0 for "
            "any free one."
        ) from error

    def counted(event: dict[str, Any]) -> None:
        metrics.count(event)
        on_event(event)

    thread = threading.Thread(target=server.serve_forever, name="vidprep metrics", daemon=True)
    thread.start()
    try:
        on_event({"event": "metrics", "address": f"http://{HOST}:{server.server_port}/metrics"})
        yield counted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_metrics_port(port: int | None) -> None:
    """Check that a port is one.

    Raises:
        ValueError: If not.
    """
    if port is not None and not 0 <= port <= 65_535:
        raise ValueError(f"metrics_port must be a number from 0 (any free port) to 65535, got {port}.")
