"""`verify` finds what is wrong, says where, and says what to do."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from vidprep.cli.main import app
from vidprep.errors import ShardError
from vidprep.shards.checks import find_problems as verify
from vidprep.shards.index import read_index
from vidprep.shards.third_party.checks import frame_problems


def problems(shards_dir, **options):
    return [problem for found in verify(shards_dir, **options) for problem in found]


def spoil(path, position, value):
    data = bytearray(path.read_bytes())
    data[position : position + len(value)] = value
    path.write_bytes(bytes(data))


def test_a_good_set_has_no_problems(shard_set):
    assert problems(shard_set, decode=True, num_workers=2) == []


def test_one_flipped_byte(shard_set):
    row = read_index(shard_set).to_pylist()[0]
    spoil(shard_set / row["shard"], row["mp4_offset"] + 200, b"\x55")
    found = problems(shard_set)
    assert found[0].startswith(
        "train/mini_k400-train-000000.tar: not the bytes that the manifest names. Delete"
    )
    assert found[1] == f"{row['shard']}: {row['key']}: the video's checksum differs from the index."


def test_a_label_that_was_changed(shard_set):
    row = read_index(shard_set).to_pylist()[0]
    spoil(shard_set / row["shard"], row["cls_offset"], b"7")
    assert any("the label member holds b'7" in problem for problem in problems(shard_set))


def test_a_missing_and_a_cut_shard(shard_set):
    (shard_set / "train" / "mini_k400-train-000000.tar").unlink()
    path = shard_set / "train" / "mini_k400-train-000001.tar"
    path.write_bytes(path.read_bytes()[:-512])
    found = problems(shard_set)
    assert found[0].startswith("train/mini_k400-train-000000.tar is missing. Run the same build again")
    assert "bytes, the manifest says" in found[1]


def test_an_unlisted_tar_among_the_shards(shard_set):
    (shard_set / "train" / "copy.tar").write_bytes(b"")
    assert problems(shard_set) == ["train/copy.tar is no shard of the manifest; readers would pick it up."]


@pytest.mark.parametrize("name", ["classes.json", "index.parquet", "ledger.parquet"])
def test_a_changed_sidecar(shard_set, name):
    if name == "classes.json":
        classes = json.loads((shard_set / name).read_text())
        (shard_set / name).write_text(json.dumps(classes[::-1]))
    else:
        table = pq.read_table(shard_set / name)
        pq.write_table(table, shard_set / name, compression="none")
    found = problems(shard_set)
    assert len(found) == 1
    assert found[0].startswith(f"{name}: not the")


def test_a_ledger_that_does_not_add_up(shard_set):
    table = pq.read_table(shard_set / "ledger.parquet")
    pq.write_table(table.slice(1), shard_set / "ledger.parquet")
    assert any("add up to SplitTotals(annotated=5, " in problem for problem in problems(shard_set))


def test_an_index_with_other_rows(shard_set):
    table = pq.read_table(shard_set / "index.parquet")
    pq.write_table(pa.concat_tables([table, table.slice(0, 1)]), shard_set / "index.parquet")
    found = problems(shard_set)
    assert any("1 keys stand twice" in problem for problem in found)
    assert any("3 rows in index.parquet, the manifest says 2" in problem for problem in found)


def test_a_video_that_does_not_decode_to_its_frames(shard_set):
    table = pq.read_table(shard_set / "index.parquet").to_pydict()
    table["num_frames"][0] += 1
    schema = pq.read_schema(shard_set / "index.parquet")
    pq.write_table(pa.table(table, schema=schema), shard_set / "index.parquet")
    assert any("6 frames decode, the index says 7" in problem for problem in problems(shard_set, decode=True))


def test_an_unfinished_set(shard_set):
    (shard_set / "manifest.json").unlink()
    with pytest.raises(ShardError, match="which is written when a build ends"):
        problems(shard_set)
    with pytest.raises(ShardError, match=r"No folder .*nowhere"):
        problems(shard_set / "nowhere")


def test_a_damaged_manifest(shard_set):
    (shard_set / "manifest.json").write_text("{}")
    with pytest.raises(ShardError, match="is damaged"):
        problems(shard_set)


def test_the_command_lists_and_exits(shard_set):
    good = CliRunner().invoke(app, ["verify", str(shard_set), "--decode"])
    assert (good.exit_code, "all as the manifest says" in good.output) == (0, True)
    (shard_set / "train" / "copy.tar").write_bytes(b"")
    bad = CliRunner().invoke(app, ["verify", str(shard_set)])
    assert (bad.exit_code, "1 problems" in bad.output) == (1, True)


def test_a_video_that_does_not_decode_at_all():
    """No count of -1 frames: the message says what FFmpeg says."""
    (problem,) = frame_problems(7, b"no video")
    assert problem.startswith("the video does not decode: ")
    assert "-1" not in problem
