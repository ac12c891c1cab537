"""Damaged and hostile files of every kind give a message or do no harm, never a traceback."""

import random
import shutil

import pytest

from benchmarks.faults.damaged_files import RELEASE, damages, what_comes_of
from vidprep.builder.workspace.plan_file import read_plan, read_shard_rows, write_plan
from vidprep.errors import VidprepError
from vidprep.shards.index import read_index, write_index
from vidprep.shards.layout import MANIFEST
from vidprep.shards.ledger import read_ledger
from vidprep.shards.shard_set import ShardSet

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


def planned(root):
    plan = read_plan(root)
    rows = [read_shard_rows(root, shard) for shard in range(len(plan.facts.shard_sizes))]
    return plan.facts, plan.rows.to_dict("list"), rows


def write_plan_anew(root):
    """Make the plan of release 0.1, which has no checksums, one of today."""
    plan = read_plan(root)
    write_plan(plan.__class__(plan.facts, plan.rows.assign(checksum="", segment="", more_labels="")), root)


def index_as_third_party(root):
    """Leave the index as `vidprep index` writes it, with nothing beside it that has its hash."""
    rows = read_index(root).to_pylist()
    (root / MANIFEST).unlink()
    write_index(rows, root / "index.parquet", checksums=True)


CONTENTS = {
    ".build/plan.parquet": (write_plan_anew, planned),
    "ledger.parquet": (lambda root: None, lambda root: read_ledger(root).to_pylist()),
    "classes.json": (lambda root: None, lambda root: ShardSet.open(root).classes),
    "index.parquet": (lambda root: None, lambda root: read_index(root).to_pylist()),
    "index.parquet, third-party": (index_as_third_party, lambda root: read_index(root).to_pylist()),
}


@pytest.mark.parametrize("what", CONTENTS)
def test_a_flipped_bit_is_named_or_changes_nothing(what, tmp_path):
    """Of 1,500 flips, 119 gave another plan, 183 another ledger, and 510 other classes, without a word."""
    prepare, read = CONTENTS[what]
    root = shutil.copytree(RELEASE / "shards", tmp_path / "shards")
    prepare(root)
    path, whole = root / what.partition(",")[0], read(root)
    data, draws, num_named = path.read_bytes(), random.Random(0), 0
    for _ in range(100):
        at, bit = draws.randrange(len(data)), draws.randrange(8)
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
        try:
            assert read(root) == whole, f"bit {bit} of byte {at}"
        except VidprepError:
            num_named += 1
    assert num_named > 20
