"""What is made of an extended set: others of its videos, a passport, descriptions, pages."""

import json
import re
import shutil

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.raw_videos.extensions import build, tar_hashes
from tests.helpers.sets.builds import problems
from vidprep.cli.main import app
from vidprep.shards.croissant import write_croissant
from vidprep.shards.layout import generation_file
from vidprep.shards.manifest import read_manifest
from vidprep.shards.passports.making import open_passport


def contents(out):
    return {path: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture
def unchanged(extended):
    """The extended set, whose files are all the same afterwards."""
    before = contents(extended.out)
    yield extended.out
    assert contents(extended.out) == before


def test_resharded_it_is_a_build_of_all_its_videos(extended, unchanged, tmp_path):
    settings = ["shards.samples_per_shard=5"]
    made = vidprep.subset(unchanged, tmp_path / "five", overrides=settings)
    built = build(extended.raw, tmp_path / "built", extended.late, overrides=settings)
    assert tar_hashes(made.out_dir) == tar_hashes(built.out_dir)
    assert (made.manifest.generation, made.manifest.history) == (1, ())
    assert problems(made.out_dir) == []


def test_merged_with_what_it_was_it_is_itself(extended, unchanged, tmp_path):
    merged = vidprep.merge([extended.before, unchanged], tmp_path / "merged")
    totals = read_manifest(unchanged).totals
    assert {split: total.used for split, total in merged.manifest.totals.items()} == {
        split: total.used for split, total in totals.items()
    }
    assert vidprep.compare(merged.out_dir, unchanged).is_same
    assert problems(merged.out_dir) == []


def test_its_passport_is_that_of_a_build_of_all(extended, unchanged, tmp_path):
    ours = vidprep.passport(unchanged, tmp_path / "p.parquet")
    built = build(extended.raw, tmp_path / "built", extended.late).out_dir
    assert ours.head.sha256 == open_passport(built).head.sha256
    assert ours.rows["content"].notna().sum() == sum(total.used for total in ours.head.totals.values()) == 13


def test_in_the_last_step_of_an_extension_the_files_of_the_manifest_are_taken(extended, tmp_path):
    """The set's own manifest is the last file to come: until then, files beside it are too new."""
    out = shutil.copytree(extended.out, tmp_path / "set")
    shutil.copyfile(out / generation_file(1, "manifest.json"), out / "manifest.json")
    assert open_passport(out).head.sha256 == open_passport(extended.before).head.sha256
    made = vidprep.subset(out, tmp_path / "subset").manifest.totals
    assert [made[split].used for split in ("train", "validation")] == [7, 2]


def test_a_description_of_the_generation_before_is_stale(extended, tmp_path):
    out, before = (
        shutil.copytree(one, tmp_path / one.parent.name) for one in (extended.out, extended.before)
    )
    (path,) = write_croissant(before)
    assert json.loads(path.read_text())["version"] == "1.0.0"
    shutil.copyfile(path, out / path.name)
    (problem,) = problems(out)
    assert (
        "croissant.json describes other files than the manifest, e.g. index.parquet. Write it anew" in problem
    )
    described = json.loads(write_croissant(out)[0].read_text())
    assert described["version"] == "1.1.0"
    tars = {one["contentUrl"] for one in described["distribution"] if one["contentUrl"].endswith(".tar")}
    assert tars == set(tar_hashes(out))
    assert problems(out) == []


@pytest.mark.parametrize("reader", ["csv", "files"])
def test_exports_take_the_newest_generation(extended, unchanged, tmp_path, reader):
    done = CliRunner().invoke(app, ["export", str(unchanged), "--for", reader, "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert sum(len(path.read_text().splitlines()) for path in tmp_path.glob("*.csv")) == 13


def test_the_report_shows_what_an_extension_added(extended, unchanged, tmp_path):
    vidprep.write_report([unchanged, extended.before], tmp_path / "report.html")
    text = " ".join(re.sub("<[^>]*>", " ", (tmp_path / "report.html").read_text()).split())
    assert "used in A only 3 1" in text or "used in B only 3 1" in text
