"""Two laboratories, one annotation, one checkpoint: different numbers, until they count the same videos.

The second one lacks 10 % of the videos, has two at another size and two under each other's id. What the
commands print is the example of docs/compare.md.
"""

import re

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.paths import REPOSITORY
from tests.helpers.raw_videos.raw_k400 import CLASSES
from tests.helpers.raw_videos.two_laboratories import download
from tests.helpers.runs.small_evaluation import INLINE, write_network
from vidprep.cli.main import app
from vidprep.harness.evaluation.results import read_results
from vidprep.recipes.recipe import EvalViews

SPLITS = ["val"] * 20 + ["train"] * 3
MISSING, OTHER_SIZE, SWAPPED = (4, 13), (2, 9), (6, 7)
SMALL = ("transcode.short_side=64", "shards.samples_per_shard=8")
VIEWS = EvalViews(clip_len=8, num_clips=1, num_crops=1, crop_size=64)


def build(folder, downloads, class_list, **differences):
    raw = download(folder / "raw", downloads, SPLITS, labels=CLASSES, **differences)
    options = {"class_list": class_list, "overrides": SMALL, "in_process": True}
    return vidprep.build("k400", folder / "set", sources=[raw.folder], **options).out_dir


@pytest.fixture(scope="module")
def laboratories(tmp_path_factory):
    """Folder with the sets ours and theirs, their passports, and an evaluation of one network on each."""
    root = tmp_path_factory.mktemp("laboratories")
    classes = root / "classes.txt"
    classes.write_text("\n".join(CLASSES))
    sets = {
        "ours": build(root / "a", root / "downloads", classes),
        "theirs": build(
            root / "b",
            root / "downloads",
            classes,
            missing=MISSING,
            other_encoding=OTHER_SIZE,
            swapped=SWAPPED,
        ),
    }
    network = write_network(root / "network.pt", sets["ours"], VIEWS, seed=3)
    passports = [root / f"{name}.parquet" for name in sets]
    for path, shards in zip(passports, sets.values(), strict=True):
        vidprep.passport(shards, path)
    for name, shards in sets.items():
        vidprep.evaluate(shards, network, root / name, on=passports, device="cpu", loading=INLINE)
    return root


def numbers(found, relation):
    chosen = found.rows[(found.rows["relation"] == relation) & (found.rows["split"] == "validation")]
    return sorted(int(re.match(r"video(\d+)_", video)[1]) for video in chosen["video_id"])


def test_compare_finds_exactly_what_differs(laboratories):
    found = vidprep.compare(laboratories / "ours.parquet", laboratories / "theirs.parquet")
    assert numbers(found, "only_first") == list(MISSING)
    assert numbers(found, "same_content") == list(OTHER_SIZE)
    assert numbers(found, "different_content") == list(SWAPPED)
    assert len(numbers(found, "same_bytes")) == 20 - 2 - 2 - 2
    assert not found.is_same and found.same_annotation and found.same_classes


def test_on_the_common_videos_both_get_the_same_number(laboratories):
    common = [vidprep.rescore(laboratories / name).model_copy() for name in ("ours", "theirs")]
    assert [one.num_videos for one in common] == [20, 18]
    passports = [laboratories / f"{name}.parquet" for name in ("ours", "theirs")]
    ours, theirs = (read_common(laboratories / name) for name in ("ours", "theirs"))
    assert (ours.num_videos, ours.num_different) == (theirs.num_videos, theirs.num_different) == (16, 2)
    assert (ours.top1, ours.top5, ours.mean_per_class) == (theirs.top1, theirs.top5, theirs.mean_per_class)
    assert 0 < ours.top1 < 1
    assert list(ours.passports)[1:] == list(map(str, passports))


def read_common(eval_dir):
    return read_results(eval_dir).common


def test_the_bounds_contain_what_all_videos_give(laboratories):
    """Ours is whole, so it is the truth; theirs can only bound it, wrong downloads aside."""
    ours, theirs = (read_results(laboratories / name) for name in ("ours", "theirs"))
    assert ours.annotation.top1_bounds == (ours.top1, ours.top1)
    low, high = theirs.annotation.top1_bounds
    assert low <= ours.top1 <= high
    assert high - low == pytest.approx(2 / 20)
    assert (theirs.annotation.annotated, theirs.annotation.missing) == (20, 2)


def test_the_documented_example_is_what_is_printed(laboratories, monkeypatch):
    monkeypatch.chdir(laboratories)
    monkeypatch.setenv("COLUMNS", "140")
    page = _without_bits((REPOSITORY / "docs/compare.md").read_text())
    for words in (
        "compare ours.parquet theirs.parquet --list different_content",
        "rescore ours --on ours.parquet --on theirs.parquet",
        "rescore theirs --on ours.parquet --on theirs.parquet",
    ):
        output = CliRunner().invoke(app, words.split(), catch_exceptions=False).output
        expected = _without_bits("\n".join(line.rstrip() for line in output.strip().splitlines()))
        assert f"$ vidprep {words}\n{expected}\n" in page, f"docs/compare.md should show:\n{expected}"


def _without_bits(text):
    """Leave out how different two videos are: encoders do not give the same bytes on all machines."""
    return re.sub(r"\d+ of 192 bits", "N of 192 bits", text)
