"""Workers copy frames past the caches; what somebody set for the C library stays, and so do the pixels."""

import os
import platform
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.programs.processes import children_with
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.load.workers.environment import worker_environment
from vidprep.recipes.recipe import TrainClip

BOUND = "glibc.cpu.x86_non_temporal_threshold"
LINKER = Path("/lib64/ld-linux-x86-64.so.2")  # lists the settings that it takes
CLIP = TrainClip(clip_len=3, crop_size=256)  # a frame is longer than the bound

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the setting is one of x86")


@pytest.mark.parametrize(
    ("set_before", "expected"),
    [
        (None, f"{BOUND}=65536"),
        ("glibc.malloc.check=0", f"glibc.malloc.check=0:{BOUND}=65536"),
        (f"{BOUND}=1000000", f"{BOUND}=1000000"),
    ],
)
def test_what_is_set(monkeypatch, set_before, expected):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    if set_before:
        monkeypatch.setenv("GLIBC_TUNABLES", set_before)
    assert worker_environment() == os.environ | {"GLIBC_TUNABLES": expected}


@pytest.mark.skipif(not LINKER.exists(), reason="no glibc, or one that lies elsewhere")
def test_the_c_library_takes_it(monkeypatch):
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.check=0")
    listed = subprocess.run(
        [LINKER, "--list-tunables"], env=worker_environment(), capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("glibc lists its settings from 2.33 on")
    (line,) = [line for line in listed.stdout.splitlines() if line.startswith(BOUND)]
    assert line.startswith(f"{BOUND}: 0x10000 ")


def test_workers_have_it_and_give_the_pixels_of_this_process(shards, monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    for pixels in ("yuv420", "rgb"):
        inline, worked = (
            ClipLoader(
                shards, clip=CLIP, batch_size=2, pixels=pixels, options=LoaderOptions(num_workers=number)
            )
            for number in (0, 1)
        )
        expected = [batch.video.clone() for batch in inline]
        assert expected[0][0, 0].nbytes > 2**16
        for number, batch in enumerate(worked):
            (worker,) = children_with("vidprep.load.workers.worker")
            assert worker.environ()["GLIBC_TUNABLES"] == f"{BOUND}=65536"
            assert np.array_equal(batch.video, expected[number])
        assert number == len(expected) - 1
        worked.close()
