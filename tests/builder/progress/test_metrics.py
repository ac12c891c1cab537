"""Metrics of a build: what is counted, and how Prometheus gets it."""

import re
import socket
import urllib.error
import urllib.request

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import SMALL
from vidprep.builder.progress.metrics import BuildMetrics, serving_metrics
from vidprep.errors import ToolError
from vidprep.shards.ledger import REASONS
from vidprep.shards.transfer.store import RETRIES

SAMPLE = re.compile(r'vidprep_build_(\w+(?:\{\w+="[^"]*"\})?) ([\d.]+)')


def values(text):
    """Each metric's value by its name and labels; checks the format on the way."""
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            assert re.fullmatch(r"# (HELP vidprep_build_\w+ .+|TYPE vidprep_build_\w+ (counter|gauge))", line)
        else:
            name, value = SAMPLE.fullmatch(line).groups()
            found[name] = float(value)
    return found


def get(address):
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        return values(answer.read().decode())


def shard(number):
    return {"event": "shard", "shard": number}


def video(number, **more):
    return {"event": "video", "shard": number, **(more or {"size_bytes": 100})}


def test_what_is_counted():
    now = [0.0]
    metrics = BuildMetrics(lambda: now[0])
    RETRIES.take()
    metrics.count({"event": "planned", "name": 'my "k400"', "num_videos": 20, "num_finished": 5})
    for event in (shard(1), video(1), video(1, reason="partial"), shard(2), video(2), shard(2), video(2)):
        metrics.count(event)
    metrics.count({"event": "done", "shard": 1})
    metrics.count(video(1))  # of a twin that came second
    metrics.count({"event": "retries", "num_retries": 3})
    RETRIES.add()
    now[0] = 10.0
    text = metrics.text()
    assert '{name="my \\"k400\\""} 1' in text
    found = values(text.replace('\\"', ""))
    assert (found["videos_built_total"], found["stored_bytes_total"]) == (4, 400)
    assert found['videos_rejected_total{reason="partial"}'] == 1
    assert sum(name.startswith("videos_rejected_total") for name in found) == len(REASONS)
    assert (found["videos_planned"], found["videos_done"]) == (20, 5 + 3)
    assert (found["shards_finished_total"], found["shards_begun_again_total"]) == (1, 1)
    assert found["store_retries_total"] == 4
    assert found["videos_per_second"] == 0.5
    now[0] = 100.0
    assert values(metrics.text().replace('\\"', ""))["videos_per_second"] == 0


def test_a_build_is_asked_while_it_runs(dozen, tmp_path):
    seen = []

    def ask(event):
        if event["event"] == "metrics":
            seen.append(event["address"])
        elif event["event"] == "done":
            seen.append(get(seen[0]))

    options = {"overrides": SMALL[1::2], "limit": 2, "in_process": True}
    vidprep.build(
        "mini_k400", tmp_path / "set", sources=[dozen.folder], metrics_port=0, on_event=ask, **options
    )
    address, *asked = seen
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", address)
    assert [found["videos_built_total"] for found in asked] == [2, 4]
    assert [found["shards_finished_total"] for found in asked] == [1, 2]
    assert asked[-1]["stored_bytes_total"] > asked[0]["stored_bytes_total"] > 1000
    assert asked[-1]['info{name="mini_k400"}'] == 1
    with pytest.raises(urllib.error.URLError):  # nobody is there any more
        urllib.request.urlopen(address, timeout=60)


def test_only_metrics_are_served():
    told = []
    with serving_metrics(0, told.append):
        address = told[0]["address"]
        with pytest.raises(urllib.error.HTTPError, match="404") as error:
            urllib.request.urlopen(address.replace("/metrics", "/"), timeout=60)
        error.value.close()


def test_a_port_that_is_taken_and_what_is_no_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ToolError, match=rf"127\.0\.0\.1:{port}: Address already in use\. Choose another"),
            serving_metrics(port, print),
        ):
            raise AssertionError
        done = run_here("build", "mini_k400", "--out", str(tmp_path / "set"), "--metrics-port", str(port))
        assert done.returncode == 1
        assert f"Metrics cannot be served on 127.0.0.1:{port}" in done.stderr
    with pytest.raises(ValueError, match=r"metrics_port must be a number from 0 .* to 65535, got 65536"):
        vidprep.build("mini_k400", tmp_path / "set", metrics_port=65_536)
    done = run_here("build", "mini_k400", "--metrics-port", "-1")
    assert done.returncode == 2
    assert "--metrics-port" in done.stderr
