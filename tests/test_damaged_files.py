"""Damaged and hostile files of every kind give a message or do no harm, never a traceback."""

import shutil

import pytest

from benchmarks.faults.damaged_files import RELEASE, damages, what_comes_of

# What was a traceback once.
KNOWN = {
    "shards/.build/plan.parquet": ["bit 0 of byte 7976 flipped", "64 bytes of noise at 10468"],
    "shards/.build/log.jsonl": ["64 bytes of noise at 1186", "time is 1099511627776"],
    "eval/predictions.parquet": ["label is None", "label is -1", "logit_sum is []"],
}


@pytest.mark.parametrize("name", KNOWN)
def test_what_was_a_traceback_once(name, tmp_path):
    data = (RELEASE / name).read_bytes()
    found = dict(damages(name, data, 400))
    wanted = [what for what in KNOWN[name] if what in found]
    assert wanted
    root = shutil.copytree(RELEASE, tmp_path / "release")
    for what in wanted:
        (root / name).write_bytes(found[what])
        assert what_comes_of(root, name) in ("message", "no error")
