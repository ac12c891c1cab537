"""The plan is a pure function: fixed by ids and seed, every video in it once."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidprep.builder.plan import describe_difference, plan_build
from vidprep.builder.workspace.plan_file import read_facts, read_plan, read_shard_rows, write_plan
from vidprep.errors import BuildError
from vidprep.recipes.pipelines import read_pipeline

CLASSES = ("archery", "yoga")


def inventory(rows):
    """Rows from (split, id, status) triples."""
    return pd.DataFrame(
        [
            {
                "split": split,
                "video_id": video_id,
                "class": "yoga",
                "label": 1,
                "label_full": 398,
                "key": f"{split}-{video_id}",
                "status": status,
                "reason": "zero_bytes" if status == "rejected" else "",
                "detail": "",
                "source_dir": "/raw",
                "source": f"{video_id}.mp4" if status != "missing" else "",
                "source_bytes": len(video_id),
            }
            for split, video_id, status in rows
        ]
    )


def make_plan(rows, *overrides, limit=None, ffmpeg_version="9"):
    recipe = read_pipeline("mini_k400", list(overrides))
    return plan_build(recipe, inventory(rows), CLASSES, ffmpeg_version=ffmpeg_version, limit=limit)


videos = st.lists(
    st.tuples(
        st.sampled_from(["train", "validation"]),
        st.integers(0, 10_000).map(str),
        st.sampled_from(["present", "present", "missing", "rejected"]),
    ),
    min_size=1,
    max_size=60,
    unique_by=lambda row: row[:2],
)


@given(rows=videos, size=st.integers(1, 20), seed=st.integers(0, 3))
def test_every_video_once_and_full_shards(rows, size, seed):
    plan = make_plan(rows, f"shards.samples_per_shard={size}", f"shards.seed={seed}")
    assert sorted(zip(plan.rows["split"], plan.rows["video_id"], plan.rows["status"], strict=True)) == sorted(
        rows
    )
    planned = plan.rows[plan.rows["shard"] >= 0]
    assert set(planned["status"]) <= {"present"}
    assert len(planned) == plan.facts.num_videos == sum(row[2] == "present" for row in rows)
    assert list(planned["shard"]) == [
        n for n, count in enumerate(plan.facts.shard_sizes) for _ in range(count)
    ]
    for number, split in enumerate(plan.facts.shard_splits):
        assert set(planned.loc[planned["shard"] == number, "split"]) == {split}
    for split in ("train", "validation"):
        sizes = [
            n for n, s in zip(plan.facts.shard_sizes, plan.facts.shard_splits, strict=True) if s == split
        ]
        assert all(n == size for n in sizes[:-1])


@given(rows=videos, order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(rows, order):
    shuffled = list(rows)
    order.shuffle(shuffled)
    assert make_plan(rows).facts == make_plan(shuffled).facts


def test_a_video_that_comes_moves_no_other():
    rows = [("train", str(number), "present") for number in range(50)]
    before = list(make_plan(rows).rows["video_id"])
    after = list(make_plan([*rows, ("train", "new", "present")]).rows["video_id"])
    after.remove("new")
    assert before == after


def test_written_and_read_again(tmp_path):
    rows = [("train", str(number), "present") for number in range(7)] + [("validation", "x", "missing")]
    plan = make_plan(rows, "shards.samples_per_shard=3")
    write_plan(plan, tmp_path)
    assert read_facts(tmp_path) == plan.facts
    read = read_plan(tmp_path).rows
    assert read.to_dict("records") == plan.rows[read.columns].to_dict("records")
    ids = [[row["video_id"] for row in read_shard_rows(tmp_path, number)] for number in range(3)]
    assert [len(one) for one in ids] == [3, 3, 1]
    assert sum(ids, []) == plan.rows["video_id"].tolist()[:7]  # noqa: RUF017


def test_differences_are_named():
    rows = [("train", "1", "present"), ("train", "2", "missing")]
    facts = make_plan(rows).facts
    assert describe_difference(facts, make_plan(rows).facts) == ""
    assert describe_difference(facts, make_plan(rows, "optimisation.lr=1.0").facts) == ""
    assert "FFmpeg version was 9 and is 8" in describe_difference(
        facts, make_plan(rows, ffmpeg_version="8").facts
    )
    assert "transcode was" in describe_difference(facts, make_plan(rows, "transcode.crf=1").facts)
    found = [("train", "1", "present"), ("train", "2", "present")]
    assert describe_difference(facts, make_plan(found).facts) == (
        "the videos or annotations changed (1 to transcode and 1 missing before, 2 and 0 now)"
    )


def test_no_plan_and_a_damaged_one(tmp_path):
    with pytest.raises(BuildError, match="No build in"):
        read_facts(tmp_path)
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build" / "plan.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(BuildError, match="is damaged or of another version"):
        read_facts(tmp_path)
