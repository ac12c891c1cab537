"""Ranks of a node whose shards come from a slow bucket, into a cache that is empty."""

import os
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.helpers.runs.tiny import free_port, losses, options, run
from tests.helpers.stores.bucket import WARNINGS, s3_store
from tests.helpers.stores.fault_proxy import behind_proxy

pytestmark = [pytest.mark.slow, WARNINGS]

NUM_RANKS = 2
# A loader gives up where no clip comes for ten seconds, its start included; a shard takes twelve.
STALL_SECONDS = 12
RANK = """
import sys
from pathlib import Path
import vidprep
shards, out, cache, *overrides = sys.argv[1:]
loading = vidprep.LoaderOptions(num_workers=1, cache_dir=Path(cache), cache_bytes=10**9, timeout_seconds=10)
vidprep.train(shards, out, overrides=overrides, log_every=1, loading=loading)
"""


def test_ranks_wait_for_shards_that_come_slowly_and_share_them(tiny_shards, tmp_path, monkeypatch):
    run(
        *("train", "--shards", tiny_shards, "--out", tmp_path / "local", "--log-every", 1, "--workers", 1),
        *options(),
        num_ranks=NUM_RANKS,
    )
    with (
        s3_store(monkeypatch, "bucket") as store,
        behind_proxy(monkeypatch, os.environ["AWS_ENDPOINT_URL"]) as proxy,
    ):
        store.put(str(tiny_shards), "bucket/tiny", recursive=True)
        proxy.stall_seconds = STALL_SECONDS
        proxy.fault = lambda request: "stall" if is_of_shard(request) else None
        codes, said = train_ranks("s3://bucket/tiny", tmp_path / "run", tmp_path / "cache")
        fetched = [request.path for request in proxy.requests if is_of_shard(request)]
    assert codes == [0] * NUM_RANKS, "\n".join(said)
    np.testing.assert_array_equal(losses(tmp_path / "run"), losses(tmp_path / "local"))
    assert len(fetched) == len(set(fetched)) == len(list((tiny_shards / "train").glob("*.tar")))


def is_of_shard(request):
    return request.method == "GET" and urlsplit(request.path).path.endswith(".tar")


def train_ranks(shards, out, cache):
    """Return the exit codes of all ranks, and what they said."""
    together = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    together |= {"WORLD_SIZE": str(NUM_RANKS), "LOCAL_WORLD_SIZE": str(NUM_RANKS)}
    overrides = [word for word in options() if word != "--set"]
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, *map(str, (shards, out, cache)), *overrides],
            env=os.environ | together | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(NUM_RANKS)
    ]
    said = [rank.communicate(timeout=240)[0] for rank in ranks]
    return [rank.returncode for rank in ranks], said
