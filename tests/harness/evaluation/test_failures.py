"""Videos that cannot be scored: the others are, and nobody is told that all is well."""

import json
import subprocess
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from tests.harness.evaluation.test_evaluate import assert_same_scores, predictions, stacked
from tests.helpers.runs.small_evaluation import (
    VIEWS,
    command,
    environment,
    run_evaluation,
    run_ranks,
    write_set,
)
from vidprep.errors import DecodeError, HarnessError, ShardError
from vidprep.harness.evaluation.results import read_results
from vidprep.load import LoaderOptions, ViewLoader
from vidprep.shards.index import read_index

INLINE = LoaderOptions(num_workers=0)


def damage(shards, key) -> None:
    """Change bytes of a stored video, so that its crc32 is wrong."""
    row = next(row for row in read_index(shards).to_pylist() if row["key"] == key)
    with (shards / row["shard"]).open("r+b") as tar:
        tar.seek(row["mp4_offset"] + row["mp4_size"] // 2)
        tar.write(b"damaged!")


def cut_short(samples, *names) -> list:
    """Samples of which some videos end halfway; their crc32 is right."""
    return [
        replace(item, video=item.video[: len(item.video) // 2]) if item.video_id in names else item
        for item in samples
    ]


@pytest.fixture
def cut_shards(samples, tmp_path):
    return write_set(tmp_path / "cut", cut_short(samples, "v1", "v4"))


def test_wrong_bytes_cost_their_video_only(own_shards, network, evaluated, tmp_path):
    damage(own_shards, "validation-v2")
    results = run_evaluation(network, own_shards, tmp_path / "out")
    assert results.all_stored_scored is False
    assert (results.coverage.stored, results.coverage.scored, results.coverage.unscored) == (7, 6, 1)
    (failed,) = results.coverage.failed
    assert failed.key == "validation-v2"
    assert "validation-v2 has crc32" in failed.error
    table = predictions(tmp_path / "out")
    assert table["key"].tolist() == [f"validation-v{n}" for n in (0, 1, 3, 4, 5, 6)]
    others = predictions(evaluated).drop(2)
    np.testing.assert_allclose(stacked(table, "logit_sum"), stacked(others, "logit_sum"), rtol=1e-5)
    assert results.top1 == (table["predicted"] == table["label"]).mean()


def test_a_video_that_ends_halfway(cut_shards, network, tmp_path):
    results = run_evaluation(network, cut_shards, tmp_path / "out", options=LoaderOptions(num_workers=1))
    assert [failed.key for failed in results.coverage.failed] == ["validation-v1", "validation-v4"]
    assert all("does not decode" in failed.error for failed in results.coverage.failed)
    assert results.coverage.scored == 5


def test_command_names_the_videos_and_exits_1(cut_shards, network, tmp_path):
    arguments = ("--shards", cut_shards, "--checkpoint", network, "--out", tmp_path / "out", "--workers", 0)
    done = subprocess.run(command(*arguments), env=environment(), capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        "Error: Not every one of the 7 stored videos was scored once: 2 were not. These are no" in done.stderr
    )
    assert "\n  validation-v4: validation/" in done.stderr
    assert "sum of logits" in done.stdout
    assert json.loads((tmp_path / "out" / "results.json").read_text())["all_stored_scored"] is False


@pytest.mark.slow
def test_failures_of_all_ranks_come_together(cut_shards, network, tmp_path):
    done = run_ranks(
        2, "--shards", cut_shards, "--checkpoint", network, "--out", tmp_path / "out", "--workers", 0
    )
    assert [process.returncode for process in done] == [1, 1]
    failed = read_results(tmp_path / "out").coverage.failed
    assert sorted(failure.key for failure in failed) == ["validation-v1", "validation-v4"]


def test_mended_shards_are_gone_on_with(own_shards, network, evaluated, tmp_path):
    index = (own_shards / "index.parquet").read_bytes()
    shard = next((own_shards / "validation").glob("*000000.tar"))
    whole = shard.read_bytes()
    damage(own_shards, "validation-v2")
    run_evaluation(network, own_shards, tmp_path / "out")
    assert (own_shards / "index.parquet").read_bytes() == index
    shard.write_bytes(whole)
    totals = set()
    results = run_evaluation(
        network, own_shards, tmp_path / "out", on_video=lambda done, total: totals.add((done, total))
    )
    assert totals == {(1, 1)}
    assert results.all_stored_scored and not results.coverage.failed
    assert_same_scores(evaluated, tmp_path / "out")


def test_no_video_at_all(samples, network, tmp_path):
    names = [f"v{n}" for n in range(7)]
    shards = write_set(tmp_path / "cut", cut_short(samples, *names))
    with pytest.raises(
        HarnessError, match=r"None of 7 videos could be scored. The first: .* does not decode"
    ):
        run_evaluation(network, shards, tmp_path / "out")
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_shard_of_another_size_is_refused_at_the_start(own_shards, network, tmp_path):
    shard = next((own_shards / "validation").glob("*000000.tar"))
    shard.write_bytes(shard.read_bytes()[:-10240])
    with pytest.raises(ShardError, match=r"000000.tar has \d+ bytes, the manifest says"):
        run_evaluation(network, own_shards, tmp_path / "out")


def test_the_loader_hands_failures_over(cut_shards):
    failures = {}
    loader = ViewLoader(
        cut_shards, "validation", views=VIEWS, options=INLINE, on_failure=failures.__setitem__
    )
    keys = [batch.key[0] for batch in loader]
    assert keys == [f"validation-v{n}" for n in (0, 2, 3, 5, 6)]
    assert failures.keys() == {"validation-v1", "validation-v4"}
    assert loader.stats().num_decode_errors == 2


def test_the_loader_raises_where_nobody_takes_failures(cut_shards, own_shards):
    with pytest.raises(
        DecodeError, match=r"validation-v1 does not decode.*An evaluation must see every video"
    ):
        list(ViewLoader(cut_shards, "validation", views=VIEWS, options=INLINE))
    damage(own_shards, "validation-v0")
    with pytest.raises(ShardError, match="validation-v0 has crc32"):
        list(ViewLoader(own_shards, "validation", views=VIEWS, options=INLINE))


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_loader_shares_what_is_left(shards, world_size):
    ranks = [
        ViewLoader(
            shards,
            "validation",
            views=VIEWS,
            options=INLINE,
            rank=rank,
            world_size=world_size,
            skip={1, 4, 5},
        )
        for rank in range(world_size)
    ]
    keys = [[batch.key[0] for batch in loader] for loader in ranks]
    assert [len(loader) for loader in ranks] == [len(part) for part in keys]
    assert max(map(len, keys)) - min(map(len, keys)) <= 1
    assert sorted(chain(*keys)) == [f"validation-v{n}" for n in (0, 2, 3, 6)]
