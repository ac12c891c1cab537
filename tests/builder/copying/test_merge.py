"""Sets of several laboratories as one, and sets with other shards: copied, never decoded."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.helpers.raw_videos.raw_k400 import CLASSES, Raw
from vidprep.builder import build
from vidprep.builder.copying.merge import merge
from vidprep.builder.copying.subset import subset
from vidprep.cli.main import app
from vidprep.errors import BuildError
from vidprep.shards.checks import verify
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import read_manifest

SETTINGS = ("transcode.short_side=48", "shards.samples_per_shard=3")


def laboratory(folder, *, lacks=(), **changed):
    """Nine videos to train and three to validate, less what this one lacks; `changed` have other frames."""
    raw = Raw(folder / "raw")
    for number in range(12):
        split = "train" if number < 9 else "val"
        frames = changed.get(f"video{number}", 4 + number)
        raw.add(f"video{number}", split, CLASSES[number % 3], frames, write=number not in lacks)
    return raw


def build_set(raw, out, *overrides):
    settings = [*SETTINGS, *overrides]
    return build("k400", out, sources=[raw.folder], overrides=settings, in_process=True).out_dir


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return laboratory(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def sets(raw, tmp_path_factory):
    """One laboratory lacks three videos, the other two, one of them the same."""
    made = []
    for name, lacks in (("a", (1, 2, 10)), ("b", (2, 5))):
        folder = tmp_path_factory.mktemp(name)
        theirs = laboratory(folder, lacks=range(12))
        for path in raw.folder.rglob("*.mp4"):
            if int(path.name.split("_")[0].removeprefix("video")) not in lacks:
                target = theirs.folder / path.relative_to(raw.folder)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        made.append(build_set(theirs, folder / "set"))
    return made


def tars(shards_dir):
    return {entry.name: entry.sha256 for entry in read_manifest(shards_dir).shards}


def test_what_one_lacks_the_other_has(raw, sets, tmp_path):
    merged = merge(sets, tmp_path / "merged")
    assert merged.manifest.totals["train"].used == 8
    assert merged.manifest.totals["train"].missing == 1
    assert merged.manifest.totals["validation"].used == 3
    assert verify(merged.out_dir, decode=True, num_workers=0).problems == ()
    lacking = laboratory(tmp_path / "lacking", lacks=range(12))
    for path in raw.folder.rglob("*.mp4"):
        if not path.name.startswith("video2_"):
            target = lacking.folder / path.relative_to(raw.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    assert tars(merged.out_dir) == tars(build_set(lacking, tmp_path / "built"))


def test_the_order_of_the_sets_does_not_matter(sets, tmp_path):
    there = merge(sets, tmp_path / "there").out_dir
    back = merge(sets[::-1], tmp_path / "back").out_dir
    assert tars(there) == tars(back)
    assert read_ledger(there).equals(read_ledger(back))


def test_different_videos_under_one_id(sets, tmp_path):
    other = build_set(laboratory(tmp_path / "other", video4=20), tmp_path / "set")
    with pytest.raises(BuildError, match=r"1 videos have different bytes in two sets, e\.g\. train-video4_"):
        merge([sets[0], other], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()
    merged = merge([sets[0], other], tmp_path / "merged", prefer="first").out_dir
    assert verify(merged, decode=True, num_workers=0).problems == ()


def test_sets_that_store_videos_otherwise(raw, sets, tmp_path):
    other = build_set(raw, tmp_path / "other", "transcode.crf=30")
    with pytest.raises(BuildError, match=r"do not fit together: transcode\.crf 23 and 30\. Build"):
        merge([sets[0], other], tmp_path / "merged")


def with_manifest(root, out, change):
    """Return a copy of a set whose manifest says something else."""
    shutil.copytree(root, out)
    text = (out / "manifest.json").read_text()
    changed = change(json.loads(text))
    (out / "manifest.json").write_text(json.dumps(changed))
    return out


def test_sets_of_other_class_lists_and_of_another_ffmpeg(sets, tmp_path):
    other = with_manifest(sets[1], tmp_path / "a", lambda one: one | {"classes_sha256": "0" * 64})
    with pytest.raises(BuildError, match=r"do not fit together: class list \w{8} and 00000000\. Build one"):
        merge([sets[0], other], tmp_path / "merged")
    tools = {"vidprep": "0.2.0", "ffmpeg": "4.0"}
    other = with_manifest(sets[1], tmp_path / "b", lambda one: one | {"tools": tools})
    with pytest.raises(
        BuildError, match=r"do not fit together: FFmpeg \S+ and 4\.0\. Build one of them again"
    ):
        merge([sets[0], other], tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("work", ["merge", "subset"])
def test_a_full_disk(work, sets, tmp_path, small_disk):
    def make(out):
        return merge(sets, out) if work == "merge" else subset(sets[0], out)

    before = [tars(one) for one in sets]
    expected = tars(make(tmp_path / "whole").out_dir)
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(990 * 1024))
    with pytest.raises(BuildError, match=r"No room left on the disk .* finished shards are kept"):
        make(small_disk / "set")
    assert not (small_disk / "set/manifest.json").exists()
    assert [tars(one) for one in sets] == before
    ballast.unlink()
    made = make(small_disk / "set").out_dir
    assert tars(made) == expected
    assert verify(made, num_workers=0).problems == ()


def test_one_set_is_nothing_to_merge(sets, tmp_path):
    with pytest.raises(ValueError, match="merge needs two sets or more, got 1"):
        merge(sets[:1], tmp_path / "merged")


def test_resharding_gives_what_a_build_with_such_shards_gives(raw, tmp_path):
    whole = build_set(raw, tmp_path / "whole")
    words = ["reshard", str(whole), "--out", str(tmp_path / "five"), "--samples-per-shard", "5"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert tars(tmp_path / "five") == tars(build_set(raw, tmp_path / "built", "shards.samples_per_shard=5"))


def test_the_command(sets, tmp_path):
    done = CliRunner().invoke(app, ["merge", *map(str, sets), "--out", str(tmp_path / "merged")])
    assert done.exit_code == 0, done.output
    assert "used" in done.output and f"Shard set: {tmp_path}/merged" in done.output.replace("\n", "")
