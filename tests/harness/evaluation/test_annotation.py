"""Figures over all annotated videos: what was rejected or missing when the shards were built counts, too."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.runs.small_evaluation import INLINE
from vidprep import evaluate
from vidprep.cli.main import app
from vidprep.errors import HarnessError, ShardError
from vidprep.harness.evaluation.annotation import bounds
from vidprep.harness.evaluation.results import read_results
from vidprep.shards.shard_set import ShardSet

# 7 validation videos are stored; so many more were annotated.
REJECTED, MISSING = 2, 3


@pytest.fixture(scope="module")
def lacking(shards, tmp_path_factory):
    """A set that does not hold all that is annotated."""
    root = shutil.copytree(shards, tmp_path_factory.mktemp("lacking") / "set")
    manifest = json.loads((root / "manifest.json").read_text())
    more = {"annotated": 7 + REJECTED + MISSING, "rejected": REJECTED, "missing": MISSING}
    manifest["totals"]["validation"] |= more
    manifest["recipe"]["dataset"] = {"name": "k400", "subset": "mini_k400"}
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


@pytest.fixture(scope="module")
def out_dir(lacking, network, tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("out")
    evaluate(lacking, network, out_dir, views="1x1", device="cpu", loading=INLINE)
    return out_dir


@pytest.mark.parametrize(
    ("right", "scored", "annotated", "expected"),
    [(6, 8, 10, (0.6, 0.8)), (0, 0, 4, (0.0, 1.0)), (3, 4, 4, (0.75, 0.75)), (4, 4, 8, (0.5, 1.0))],
)
def test_bounds(right, scored, annotated, expected):
    assert bounds(right, scored, annotated) == expected


@pytest.mark.parametrize("counts", [(3, 2, 4), (1, 3, 2), (0, 0, 0), (-1, 2, 2)])
def test_bounds_of_what_cannot_be(counts):
    with pytest.raises(ValueError, match=r"each may not be more than the next"):
        bounds(*counts)


def test_rejected_and_missing_videos_are_in_the_results(out_dir):
    results = read_results(out_dir)
    found = results.annotation
    assert (found.annotated, found.used, found.rejected, found.missing) == (12, 7, REJECTED, MISSING)
    assert found.expected == 9934  # of mini_k400's validation, by the paper's Table A
    right = round(results.top1 * 7)
    assert found.top1_bounds == (right / 12, (right + 5) / 12)
    assert found.top1_bounds[0] <= results.top1 <= found.top1_bounds[1]
    assert results.all_stored_scored and "complete" not in json.loads((out_dir / "results.json").read_text())


def test_the_table_accounts_for_them(lacking, network, out_dir, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    words = ("eval", "--shards", lacking, "--checkpoint", network, "--out", out_dir, "--views", "1x1")
    done = CliRunner().invoke(app, [*map(str, words), "--device", "cpu"], catch_exceptions=False)
    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert "videos scored 7 of 7 stored" in lines
    assert "videos annotated 12 2 rejected, 3 missing" in lines
    assert "Table A counts 9,934" in lines
    low, high = read_results(out_dir).annotation.top1_bounds
    assert any(line.startswith(f"bounds over 12 annotated {low:.2%} to {high:.2%}") for line in lines)


@pytest.fixture(scope="module")
def on_itself(tmp_path_factory):
    """The network of release 0.1 on its set, and on the videos that it has in common with itself."""
    out_dir, checkpoint = tmp_path_factory.mktemp("on"), RELEASE_0_1 / "run/checkpoints/epoch-0003.pt"
    options = {"views": "1x1", "device": "cpu", "loading": INLINE}
    return evaluate(RELEASE_0_1 / "shards", checkpoint, out_dir, on=[RELEASE_0_1 / "shards"], **options)


def test_on_passports(on_itself):
    common = on_itself.common
    assert (common.num_videos, common.num_judged, common.top1) == (6, 6, on_itself.top1)
    assert list(common.passports) == [str(RELEASE_0_1 / "shards")]


def test_a_passport_of_another_dataset_is_refused_before_anything_is_scored(shards, network, tmp_path):
    with pytest.raises(HarnessError, match=r"release_0_1/shards is the passport of another dataset"):
        evaluate(shards, network, tmp_path / "out", on=[RELEASE_0_1 / "shards"], device="cpu")
    assert not (tmp_path / "out").exists()


def test_a_damaged_passport_is_refused_before_anything_is_scored(shards, network, tmp_path):
    (tmp_path / "p.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ShardError, match=r"p\.parquet is no passport, or a damaged one"):
        evaluate(shards, network, tmp_path / "out", on=[tmp_path / "p.parquet"], device="cpu")


def test_a_manifest_that_does_not_add_up(lacking, tmp_path):
    root = shutil.copytree(lacking, tmp_path / "set")
    text = (root / "manifest.json").read_text()
    manifest = json.loads(text)
    manifest["totals"]["validation"]["missing"] += 1
    (root / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ShardError, match=r"7 used \+ 4 missing \+ 2 rejected of validation are not the 12"):
        ShardSet.open(root)
    manifest["totals"]["validation"] |= {"missing": 2, "used": 8}
    (root / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ShardError, match=r"has 7 samples of validation, the manifest says 8"):
        ShardSet.open(root)
