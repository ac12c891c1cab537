"""Files for other readers agree with the tars; that the readers take them is shown in tests/conformance."""

import hashlib
import shutil
import sqlite3
import struct
import tarfile
from typing import get_args

import av
import pytest

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.programs.program import run_here
from vidprep.cli.loader import Reader
from vidprep.errors import ShardError
from vidprep.shards import verify
from vidprep.shards.exports import (
    class_names,
    export_csv,
    export_dali,
    export_energon,
    export_files,
    export_huggingface,
)
from vidprep.shards.index import read_index
from vidprep.shards.tar import FACTS

# sha256 of what NVIDIA's wds2idx (DALI 2.4) and energon 7.4.1 make of one tar of the fixture.
DALI_SHA256 = "fb5f1e849d89c6405c54e1e664af7c0549a9458aac7aa14bc23b0e31c2d817da"
ENERGON_SHA256 = "f115b52e416f274a1cbe9c39d5a1af6f1534684322406094d003680b7bf629e9"
TAR = "train/demo-train-000000.tar"


@pytest.fixture
def shard_set(tmp_path):
    return shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def members(path):
    with tarfile.open(path) as tar:
        return [(member.name, member.offset_data, member.size, member.offset) for member in tar]


# What the command writes for each reader, and where: into the set, or into --out.
WRITTEN = {
    "energon": ("set", ".idx .json .sqlite .uuid .yaml"),
    "dali": ("out", ".idx"),
    "huggingface": ("set", ".md"),
    "files": ("out", ".csv .mp4"),
    "csv": ("out", ".csv"),
    "croissant": ("set", ".json"),
}


@pytest.mark.parametrize("reader", get_args(Reader))
def test_the_command_writes_what_a_reader_needs(shard_set, tmp_path, reader):
    (shard_set / "README.md").unlink()
    before = set(tmp_path.rglob("*"))
    place, suffixes = WRITTEN[reader]
    right, wrong = ([], ["--out", tmp_path / "out"])[:: 1 if place == "set" else -1]
    assert run_here("export", shard_set, "--for", reader, *wrong).returncode == 2
    assert set(tmp_path.rglob("*")) == before
    done = run_here("export", shard_set, "--for", reader, *right)
    assert done.returncode == 0 and f"written for {reader}, e.g. {tmp_path / place}" in done.stdout
    written = [path for path in set(tmp_path.rglob("*")) - before if path.is_file()]
    assert " ".join(sorted({path.suffix for path in written})) == suffixes


def test_dali_gets_the_bytes_of_its_own_tool(shard_set, tmp_path):
    written = export_dali(shard_set, tmp_path / "dali")
    assert len(written) == 4
    assert sha256(tmp_path / "dali/train/demo-train-000000.idx") == DALI_SHA256


def test_energon_gets_the_bytes_of_its_own_tool(shard_set):
    export_energon(shard_set)
    assert sha256(shard_set / f"{TAR}.idx") == ENERGON_SHA256


def test_energon_finds_every_sample_where_it_lies(shard_set):
    export_energon(shard_set)
    offsets = struct.unpack("<6q", (shard_set / f"{TAR}.idx").read_bytes())
    found = members(shard_set / TAR)
    assert list(offsets[:-1]) == [offset for *_, offset in found[::3]]
    with sqlite3.connect(shard_set / ".nv-meta/index.sqlite") as database:
        (num_samples,) = database.execute("SELECT count(*) FROM samples").fetchone()
        rows = database.execute(
            "SELECT s.sample_key || '.' || p.part_name, content_byte_offset, content_byte_size FROM samples s"
            " JOIN sample_parts p USING (tar_file_id, sample_index) WHERE tar_file_id = 0 ORDER BY 2"
        ).fetchall()
    database.close()
    assert num_samples == read_index(shard_set).num_rows == 21
    assert rows == [(name, start, size) for name, start, size, _ in found]


def test_a_card_names_the_labels_and_verify_takes_it(shard_set):
    (card,) = export_huggingface(shard_set)
    names = class_names(shard_set)
    head = yaml_head(card)
    features = {feature["name"]: feature for feature in head["dataset_info"]["features"]}
    assert list(features["cls"]["dtype"]["class_label"]["names"].values()) == names
    assert {fact["name"] for fact in features["json"]["struct"]} == FACTS
    assert [split["num_examples"] for split in head["dataset_info"]["splits"]] == [15, 6]
    assert verify(shard_set, num_workers=0).problems == ()
    card.write_text(card.read_text() + "one word more")
    (problem,) = verify(shard_set, num_workers=0).problems
    assert problem.startswith("README.md: not the bytes that follow from the manifest")


def yaml_head(card):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(card.read_text().split("---")[1])


def test_a_card_needs_the_classes(shard_set):
    (shard_set / "classes.json").unlink()
    with pytest.raises(
        ShardError, match=r"classes\.json is missing or damaged: the names of the labels are not known"
    ):
        export_huggingface(shard_set)


def test_verify_checks_indexes_of_other_readers(shard_set):
    export_energon(shard_set)
    assert verify(shard_set, num_workers=0).problems == ()
    (shard_set / f"{TAR}.idx").write_bytes((shard_set / "train/demo-train-000001.tar.idx").read_bytes())
    (problem,) = verify(shard_set, num_workers=0).problems
    assert problem.startswith(f"{TAR}.idx is the index of another tar, for Energon or DALI. Delete it, or")


def test_an_export_can_be_repeated(shard_set, tmp_path):
    first = {
        path: sha256(path) for path in [*export_energon(shard_set), *export_dali(shard_set, tmp_path / "d")]
    }
    again = {
        path: sha256(path) for path in [*export_energon(shard_set), *export_dali(shard_set, tmp_path / "d")]
    }
    assert first == again


def test_files_hold_the_videos_and_lists_name_them(shard_set, tmp_path):
    lists = export_files(shard_set, tmp_path / "files")
    lines = [line.split(" ") for path in lists for line in path.read_text().splitlines()]
    rows = read_index(shard_set).select(["key", "label", "num_frames"]).to_pylist()
    assert len(lines) == len(rows) == 21
    for (path, label), row in zip(lines, rows, strict=True):
        assert path.endswith(f"/{row['key']}.mp4")
        assert int(label) == row["label"]
        with av.open(path) as container:
            assert sum(1 for _ in container.decode(video=0)) == row["num_frames"]


def test_files_that_are_there_stay(shard_set, tmp_path):
    export_files(shard_set, tmp_path / "files")
    path = next((tmp_path / "files/train").glob("*.mp4"))
    before = path.stat().st_mtime_ns
    seen = []
    export_files(shard_set, tmp_path / "files", on_file=lambda done, total: seen.append((done, total)))
    assert path.stat().st_mtime_ns == before
    assert seen[-1] == (21, 21)


def test_byte_ranges_open_with_ffmpeg(shard_set, tmp_path):
    (_, validation) = export_csv(shard_set, tmp_path / "lists")
    rows = [row for row in read_index(shard_set).to_pylist() if row["split"] == "validation"]
    lines = validation.read_text().splitlines()
    assert len(lines) == 6
    for line, row in zip(lines, rows, strict=True):
        path, label = line.split(" ")
        assert int(label) == row["label"]
        with av.open(path) as container:
            assert sum(1 for _ in container.decode(video=0)) == row["num_frames"]


def test_a_space_in_the_path_is_refused(shard_set, tmp_path):
    spaced = shard_set.rename(tmp_path / "my set")
    with pytest.raises(ValueError, match="holds a space, at which readers of such lists split"):
        export_csv(spaced, tmp_path / "lists")


def test_a_tar_that_is_cut_off_is_named(shard_set, tmp_path):
    (shard_set / TAR).write_bytes((shard_set / TAR).read_bytes()[:20000])
    with pytest.raises(ShardError, match=r"demo-train-000000\.tar ends inside train-"):
        export_files(shard_set, tmp_path / "files")


def test_there_has_to_be_a_finished_set(tmp_path):
    with pytest.raises(ShardError, match="No folder"):
        export_energon(tmp_path / "none")
