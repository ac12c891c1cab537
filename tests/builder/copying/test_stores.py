"""Sets that lie in an object store: copied from, extended from, compared."""

import shutil

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.raw_videos.extensions import SETTINGS, build, raw_videos
from tests.helpers.sets.builds import hashes
from vidprep.cli.main import app
from vidprep.errors import ShardError
from vidprep.shards.manifest import read_manifest

URL = "memory://sets/full"


@pytest.fixture(scope="module")
def material(tmp_path_factory):
    """Raw videos, those that come late, and a set without them; not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    raw, late = raw_videos(folder)
    return raw, late, build(raw, folder / "set").out_dir


@pytest.fixture
def full(material, memory_store):
    """The set in the store, as it is copied there: without what its build kept."""
    put(memory_store, material[2], URL)
    return material[2]


def put(store, root, url):
    for path in root.rglob("*"):
        if path.is_file() and ".build" not in path.parts:
            store.pipe(f"{url}/{path.relative_to(root).as_posix()}", path.read_bytes())


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_subset_and_other_shards(full, tmp_path):
    there = vidprep.subset(URL, tmp_path / "there", limit=3).out_dir
    assert hashes(there) == hashes(vidprep.subset(full, tmp_path / "here", limit=3).out_dir)
    done = run("reshard", URL, "--samples-per-shard", 9, "--out", tmp_path / "few")
    assert done.exit_code == 0, done.output
    here = vidprep.subset(full, tmp_path / "few here", overrides=["shards.samples_per_shard=9"]).out_dir
    assert hashes(tmp_path / "few") == hashes(here)


def test_merged_and_compared_with_one_on_the_disk(full, material, tmp_path):
    raw, late, _ = material
    whole = build(raw, tmp_path / "whole", late).out_dir
    done = run("merge", URL, whole, "--out", tmp_path / "merged")
    assert done.exit_code == 0, done.output
    tars = {one.name: one.sha256 for one in read_manifest(whole).shards}
    assert {one.name: one.sha256 for one in read_manifest(tmp_path / "merged").shards} == tars
    found = vidprep.compare(URL, whole).counts()
    assert found["train"]["only_second"] == 3 and found["validation"]["only_second"] == 1
    published = vidprep.passport(URL, tmp_path / "p.parquet")
    assert published.head.sha256 == vidprep.passport(full, tmp_path / "q.parquet").head.sha256


def test_late_videos_in_a_store(material, memory_store, tmp_path):
    raw, late, full = material
    put(memory_store, late, "memory://late")
    ours, theirs = (shutil.copytree(full, tmp_path / name) for name in ("ours", "theirs"))
    extended = vidprep.build(
        "mini_k400",
        ours,
        sources=[raw.folder, "memory://late"],
        overrides=SETTINGS,
        in_process=True,
        extend=True,
    )
    assert extended.manifest.generation == 2
    build(raw, theirs, late, extend=True)
    tars = [one.sha256 for one in extended.manifest.shards]
    assert tars == [one.sha256 for one in read_manifest(theirs).shards]


def test_damage_in_a_store_is_named(full, memory_store, tmp_path):
    name = read_manifest(full).shards[0].name
    memory_store.pipe(f"{URL}/{name}", bytes((full / name).stat().st_size))
    with pytest.raises(
        ShardError, match=rf"{URL}/{name}: train-\S+ is not the video that the index names.*has crc32 \w+"
    ):
        vidprep.subset(URL, tmp_path / "subset")
    memory_store.rm(f"{URL}/{name}")
    with pytest.raises(ShardError, match=r"cannot be read: .*missing; it holds the video of train-"):
        vidprep.subset(URL, tmp_path / "subset")
    memory_store.rm(f"{URL}/manifest.json")
    with pytest.raises(
        ShardError, match=rf"{URL} has no manifest\.json: its build or its copying has not ended.*as the last"
    ):
        vidprep.subset(URL, tmp_path / "subset")
