"""The columns of a large index are files that all processes of a machine map: the same clips from them."""

import logging
import os
import pickle
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.paths import REPOSITORY
from vidprep.errors import ShardError
from vidprep.load import ClipLoader, LoaderOptions, ViewLoader
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.columns import opening
from vidprep.shards.index import read_index, write_index
from vidprep.shards.layout import INDEX, MANIFEST
from vidprep.shards.shard_set import ShardSet

CLIP = TrainClip(clip_len=4, crop_size=32)


@pytest.fixture
def large(monkeypatch, tmp_path):
    """Every set counts as large, and has its copies in a folder of this test's own."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(opening, "_LARGE", 1)
    monkeypatch.setattr(opening, "_LARGE_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder / f"vidprep-{os.getuid()}"


def batches(shards):
    options = LoaderOptions(num_workers=0)
    clips = ClipLoader(shards, clip=CLIP, batch_size=4, options=options)
    views = ViewLoader(shards, views=EvalViews(clip_len=4, crop_size=32), options=options)
    return [(list(batch.key), batch.video.numpy().tobytes()) for loader in (clips, views) for batch in loader]


def copies(folder):
    return [path for path in folder.iterdir() if path.is_dir()]


def is_mapped(shards):
    array = shards.columns.arrays["mp4_offset"]
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


@pytest.mark.parametrize("third_party", [False, True])
def test_the_same_clips(large, own_shards, monkeypatch, third_party):
    if third_party:
        (own_shards / MANIFEST).unlink()
    shared = ShardSet.open(own_shards)
    assert is_mapped(shared)
    found = batches(shared)
    monkeypatch.setattr(opening, "_LARGE", 10**9)
    monkeypatch.setattr(opening, "_LARGE_BYTES", 10**9)
    alone = ShardSet.open(own_shards)
    assert not is_mapped(alone)
    assert (found, shared.fingerprint) == (batches(alone), alone.fingerprint)
    assert len(found) == 6 + 7
    assert shared.split("train").index == alone.split("train").index


def test_the_second_who_opens_reads_the_copy(large, own_shards, monkeypatch):
    first = ShardSet.open(own_shards)
    monkeypatch.setattr(opening, "read_parts", None)  # would fail
    second = ShardSet.open(own_shards)
    assert [second.columns.video(row) for row in range(len(second.columns))] == [
        first.columns.video(row) for row in range(len(first.columns))
    ]
    (copy,) = copies(large)
    assert large.stat().st_mode & 0o777 == 0o700
    assert copy.name.startswith(first.manifest.index_sha256)


def test_numbers_are_kept_in_as_few_bytes_as_they_need(large, own_shards):
    """Of two numbers of 32 bits each, the sum is the byte after a video that ends beyond 4 GiB."""
    expected = read_index(own_shards).sort_by("key")
    last = {"mp4_offset": 2**32 - 2, "mp4_size": 2**31}
    write_index([row | last for row in expected.to_pylist()], own_shards / INDEX)
    (own_shards / MANIFEST).unlink()
    columns = ShardSet.open(own_shards).columns
    types = {name: columns.arrays[name].dtype for name in ("split", "shard", "width", "mp4_offset", "label")}
    assert types == {
        "split": np.uint8, "shard": np.uint8, "width": np.uint16, "mp4_offset": np.uint32, "label": np.int32
    }  # fmt: skip
    assert columns.ends_of_shards() == dict.fromkeys(columns.names["shard"], 2**32 - 2 + 2**31)
    assert [columns.video(row).width for row in range(len(columns))] == expected["width"].to_pylist()
    assert [columns.key(row) for row in range(len(columns))] == expected["key"].to_pylist()


def test_several_row_groups_count_through(large, own_shards, monkeypatch):
    """As an index of millions is written: names and keys of one group after those of another."""
    (own_shards / MANIFEST).unlink()
    table = read_index(own_shards)
    pq.write_table(table, own_shards / INDEX, row_group_size=4)
    columns = ShardSet.open(own_shards).columns
    assert [columns.key(row) for row in range(len(columns))] == table["key"].to_pylist()
    shards = [columns.video(row).shard for row in range(len(columns))]
    assert shards == table["shard"].to_pylist()
    assert columns.frame_sizes() == sorted(
        set(zip(*(table[n].to_pylist() for n in ("width", "height")), strict=True))
    )


@pytest.mark.parametrize("name", ["key_text", "mp4_offset", "columns.json"])
def test_a_damaged_copy_is_made_anew(large, own_shards, name):
    expected = batches(ShardSet.open(own_shards))
    (copy,) = copies(large)
    damaged = bytearray((copy / name).read_bytes())
    damaged[len(damaged) // 2] ^= 0x40
    (copy / name).unlink()
    (copy / name).write_bytes(damaged)
    shards = ShardSet.open(own_shards)
    assert is_mapped(shards)
    assert batches(shards) == expected


def test_an_index_of_another_build_is_noticed_in_spite_of_the_copy(large, own_shards):
    ShardSet.open(own_shards)
    rows = read_index(own_shards).to_pylist()
    write_index(rows[:-1], own_shards / INDEX)
    with pytest.raises(ShardError, match=r"index.parquet is not the one of manifest.json: it is stale"):
        ShardSet.open(own_shards)


def test_impossible_values_are_refused(large, own_shards):
    (own_shards / MANIFEST).unlink()
    rows = read_index(own_shards).to_pylist()
    rows[3]["num_frames"] = 0
    write_index(rows, own_shards / INDEX)
    with pytest.raises(ShardError, match=f"{rows[3]['key']} has num_frames 0, not from 1"):
        ShardSet.open(own_shards)
    assert copies(large) == []


def test_without_a_place_for_files_each_process_keeps_its_own(large, own_shards, monkeypatch, caplog):
    expected = batches(own_shards)
    monkeypatch.setattr(tempfile, "tempdir", str(own_shards / MANIFEST))  # no folder
    with caplog.at_level(logging.WARNING):
        shards = ShardSet.open(own_shards)
    assert not is_mapped(shards)
    assert batches(shards) == expected
    assert "Point TMPDIR at a local folder" in caplog.text


def test_a_folder_that_others_write_to_is_not_trusted(large, own_shards, caplog):
    large.mkdir()
    large.chmod(0o777)
    with caplog.at_level(logging.WARNING):
        assert not is_mapped(ShardSet.open(own_shards))
    assert "not a folder that only this user writes to" in caplog.text
    assert copies(large) == []


def test_copies_that_nobody_opens_go_after_two_weeks(large, own_shards):
    ShardSet.open(own_shards)
    (old,) = copies(large)
    then = time.time() - 15 * 86400
    os.utime(old / "columns.json", (then, then))
    (own_shards / MANIFEST).unlink()
    write_index(read_index(own_shards).to_pylist()[:-1], own_shards / INDEX)
    ShardSet.open(own_shards)
    assert len(copies(large)) == 1
    assert not old.exists()


def test_several_processes_at_once_make_one_copy(large, own_shards):
    code = (
        "from vidprep.shards.columns import opening\nopening._LARGE = 1\n"
        "from vidprep.shards.shard_set import ShardSet\n"
        f"print(ShardSet.open({str(own_shards)!r}).columns.key(5))\n"
    )
    environment = os.environ | {"TMPDIR": str(large.parent)}
    run = [sys.executable, "-c", code]
    ranks = [subprocess.Popen(run, stdout=subprocess.PIPE, env=environment, cwd=REPOSITORY) for _ in range(3)]
    said = {rank.communicate(timeout=300)[0] for rank in ranks}
    assert said == {ShardSet.open(own_shards).columns.key(5).encode() + b"\n"}
    assert len(copies(large)) == 1


def test_a_split_with_others_between_its_rows(own_shards):
    shards = ShardSet.open(own_shards)
    twice = shards.with_index(pa.concat_tables([shards.index] * 2))
    train, once = twice.split("train"), shards.split("train")
    assert len(train) == 2 * len(once)
    assert train.video(len(once) + 3) == train.video(3) == once.video(3)
    assert train.index.num_rows == len(train)


def test_a_set_can_be_sent_to_another_process(large, own_shards):
    shards = ShardSet.open(own_shards)
    assert pickle.loads(pickle.dumps(shards)).columns.video(4) == shards.columns.video(4)


def test_the_table_is_read_when_it_is_asked_for(own_shards):
    shards = ShardSet.open(own_shards)
    (own_shards / INDEX).unlink()
    assert len(shards.split("train")) == 26
    with pytest.raises(ShardError, match=r"index.parquet is missing"):
        _ = shards.index


def test_importing_the_loaders_needs_neither_torch_nor_pandas():
    code = "import sys, vidprep.load; print(sorted({'torch', 'pandas', 'pyarrow', 'av'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout == "[]\n"


def test_opening_a_set_needs_no_pandas(shards):
    """It takes half a second to import, twice what opening 250,000 rows takes."""
    code = (
        "import sys\nfrom vidprep.shards.shard_set import ShardSet\n"
        f"split = ShardSet.open({str(shards)!r}).split('train')\n"
        "split.frame_sizes, split.shard_sizes, split.fps.min(), split.video(3)\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY)
    assert done.stdout == "False\n", done.stderr
