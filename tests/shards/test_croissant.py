"""croissant.json says what the set is, and mlcroissant reads its records."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.helpers.paths import RELEASE_0_1
from vidprep.cli.main import app
from vidprep.errors import ShardError
from vidprep.shards import verify
from vidprep.shards.croissant import UNKNOWN_FIELDS, write_croissant
from vidprep.shards.index import INDEX_SCHEMA, read_index
from vidprep.shards.ledger import LEDGER_SCHEMA, read_ledger
from vidprep.shards.manifest import file_sha256


@pytest.fixture
def root(tmp_path):
    return shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")


def described(root):
    (path,) = write_croissant(root)
    return json.loads(path.read_text())


def records(dataset, name, columns):
    """Return the records of a set as mlcroissant reads them, without its prefixes."""
    rows = [{key.split("/")[1]: value for key, value in row.items()} for row in dataset.records(name)]
    return [
        {name: row[name].decode() if isinstance(row[name], bytes) else row[name] for name in columns}
        for row in rows
    ]


def test_every_file_has_its_hash(root):
    written = described(root)
    files = {one["contentUrl"]: one["sha256"] for one in written["distribution"]}
    assert len(files) == 4 + 3  # tars; index, ledger, class list: this set has no passport
    assert files == {name: file_sha256(root / name) for name in files}
    by_name = {one["name"]: one for one in written["recordSet"]}
    assert [field["name"] for field in by_name["videos"]["field"]] == INDEX_SCHEMA.names
    # A ledger of format 1 lacks two columns.
    assert [field["name"] for field in by_name["annotation"]["field"]] == LEDGER_SCHEMA.names[:-2]
    num_classes = len(json.loads((root / "classes.json").read_text()))
    assert [row["classes/label"] for row in by_name["classes"]["data"]] == list(range(num_classes))


def test_what_nobody_knows_is_left_to_the_publisher_and_kept(root):
    done = CliRunner().invoke(app, ["export", str(root), "--for", "croissant"], catch_exceptions=False)
    assert done.exit_code == 0 and ", ".join(UNKNOWN_FIELDS) in " ".join(done.output.split())
    path = root / "croissant.json"
    written = json.loads(path.read_text())
    assert not set(UNKNOWN_FIELDS) & written.keys()
    assert "by agreement" in written["license"]["name"] and "qualcomm.com" in written["license"]["url"]
    assert "15 of 18 annotated videos are used" in written["rai:dataCollectionMissingData"]
    path.write_text(json.dumps(written | {"url": "https://example.org/ours"}))
    assert verify(root, num_workers=0).problems == ()
    done = CliRunner().invoke(app, ["export", str(root), "--for", "croissant"], catch_exceptions=False)
    assert json.loads(path.read_text())["url"] == "https://example.org/ours"
    assert "publish: creator, " in " ".join(done.output.split())


@pytest.mark.filterwarnings("ignore")  # those of rdflib and of pyparsing
def test_mlcroissant_reads_the_records(root):
    import mlcroissant

    write_croissant(root)
    dataset = mlcroissant.Dataset(jsonld=str(root / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert issues.errors == set()
    # Both are the publisher's.
    assert sorted(text.split("/")[-1].split('"')[0] for text in issues.warnings) == [
        "citeAs",
        "datePublished",
    ]
    names = INDEX_SCHEMA.names
    assert records(dataset, "videos", names) == read_index(root).to_pylist()
    annotated = read_ledger(root).to_pylist()
    names = LEDGER_SCHEMA.names[:-2]
    assert records(dataset, "annotation", names) == [{name: row[name] for name in names} for row in annotated]
    classes = {row["class"]: row["label"] for row in json.loads((root / "classes.json").read_text())}
    assert {row["name"]: row["label"] for row in records(dataset, "classes", ["label", "name"])} == classes


def test_of_no_set(tmp_path):
    with pytest.raises(ShardError, match=r"manifest\.json is missing"):
        write_croissant(tmp_path)


def test_without_a_class_list(root):
    (root / "classes.json").unlink()
    with pytest.raises(ShardError, match=r"classes\.json is missing\. Copy .*, or run the same build again"):
        write_croissant(root)
