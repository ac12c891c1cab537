"""Files from elsewhere that name what they should not: refused, and nothing outside is read."""

import hashlib
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.helpers.paths import RELEASE_0_1
from vidprep.cli.main import app
from vidprep.errors import ShardError
from vidprep.shards.layout import is_shard_name
from vidprep.shards.shard_set import ShardSet

TAR = "train/demo-train-000000.tar"


@pytest.fixture
def shard_set(tmp_path):
    return shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")


def change_index(shard_set, column, value, row=0):
    """Change a cell, and make the manifest's hash fit, as somebody hostile would."""
    table = pq.ParquetFile(shard_set / "index.parquet").read()
    values = table[column].to_pylist()
    values[row] = value
    at = table.schema.get_field_index(column)
    table = table.set_column(
        at, table.schema.field(column), pa.array(values, table.schema.field(column).type)
    )
    pq.write_table(table, shard_set / "index.parquet")
    sha256 = hashlib.sha256((shard_set / "index.parquet").read_bytes()).hexdigest()
    change_manifest(shard_set, lambda manifest: manifest.update(index_sha256=sha256))


def change_manifest(shard_set, change):
    path = shard_set / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("train/a-000000.tar", True),
        ("part/of/others.tar", True),
        ("shard with spaces é.tar", True),
        ("../a.tar", False),
        ("train/../../a.tar", False),
        ("/etc/a.tar", False),
        ("train//a.tar", False),
        ("s3://bucket/a.tar", False),
        ("train/a.tar.gz", False),
        ("train/./a.tar", False),
        ("C:\\a.tar", False),
        ("train/a\0.tar", False),
        ("train/%2e%2e/%2E./a.tar", False),
        ("train%2F..%2f..%2Fa.tar", False),
        ("http%3A//host/a.tar", False),
        ("train/100%.tar", True),
        ("train/a%20b.tar", True),
        ("", False),
    ],
)
def test_what_is_a_shard_name(name, fits):
    assert is_shard_name(name) == fits


@pytest.mark.parametrize(
    "name", ["train/deeper/demo.tar", "demo.tar", "validation/demo.tar", ".build/staging/demo.tar"]
)
def test_a_manifest_names_tars_in_the_folder_of_their_split_only(shard_set, name):
    change_manifest(shard_set, lambda manifest: manifest["shards"][0].update(name=name))
    with pytest.raises(ShardError, match=r"names the shard .* a shard is <split>/<name>\.tar below"):
        ShardSet.open(shard_set)


def test_a_hash_that_is_none_names_no_file_of_a_cache(shard_set, tmp_path):
    """Copies are named after it."""
    change_manifest(shard_set, lambda manifest: manifest["shards"][0].update(sha256="../precious"))
    with pytest.raises(ShardError, match=r"manifest\.json is damaged"):
        ShardSet.open(shard_set)


@pytest.mark.parametrize("name", ["../x.tar", "/tmp/x.tar", "validation/../../x.tar", "file:///x.tar"])
def test_shards_elsewhere_are_refused(shard_set, name):
    (shard_set.parent / "x.tar").write_bytes((shard_set / TAR).read_bytes())
    change_index(shard_set, "shard", name)
    with pytest.raises(ShardError, match=r"names the shard .* which is no tar below the set"):
        ShardSet.open(shard_set)
    change_manifest(shard_set, lambda manifest: manifest["shards"][0].update(name=name))
    with pytest.raises(ShardError, match=r"names the shard .* a shard is <split>/<name>\.tar below"):
        ShardSet.open(shard_set)
    assert CliRunner().invoke(app, ["verify", str(shard_set)]).exit_code == 1


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("shard", None, "row 0 has no shard"),
        ("width", 0, "has width 0, not from 1"),
        ("num_frames", 0, "has num_frames 0, not from 1"),
        ("mp4_size", 2**40, "has mp4_size 1099511627776"),
        ("mp4_size", 2**39, "ends at byte 549,755,816,448, the tar has 81,920"),
        ("mp4_offset", -1, "has mp4_offset -1"),
        ("label", -2, "has label -2"),
        ("shard", "train/other.tar", "which the manifest does not list"),
        ("label", 500, r"has the label 500, classes\.json has the labels 0 to \d+\."),
    ],
)
def test_values_that_cannot_be(shard_set, column, value, message):
    change_index(shard_set, column, value)
    with pytest.raises(ShardError, match=message):
        ShardSet.open(shard_set)


@pytest.mark.parametrize("text", ["nope", "[1, 2]", "{}x", '[{"class": "a", "label": 5}]', '{"a": 1}'])
def test_a_class_list_that_is_none(shard_set, text):
    (shard_set / "classes.json").write_text(text)
    with pytest.raises(ShardError, match=r"classes\.json"):
        _ = ShardSet.open(shard_set).classes


def test_totals_without_a_split(shard_set):
    change_manifest(shard_set, lambda manifest: manifest["totals"].pop("validation"))
    with pytest.raises(ShardError, match="no totals of validation"):
        ShardSet.open(shard_set)
