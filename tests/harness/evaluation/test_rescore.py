"""Accuracy on the videos that several shard sets have in common, from the predictions of one evaluation."""

import shutil

import pandas as pd
import pytest

from tests.helpers.paths import RELEASE_0_1
from vidprep.errors import HarnessError
from vidprep.harness.evaluation.comparisons.versus import compare_evaluations
from vidprep.harness.evaluation.rescore import rescore
from vidprep.harness.evaluation.results import read_results
from vidprep.harness.evaluation.tables.predictions import read_predictions, read_scores
from vidprep.shards.passports.making import open_passport
from vidprep.shards.passports.passport import Passport

EVAL, SHARDS = RELEASE_0_1 / "eval", RELEASE_0_1 / "shards"


def passport_without(*video_ids):
    """The passport of a laboratory that lacks some videos."""
    whole = open_passport(SHARDS)
    status = whole.rows["status"].mask(whole.rows["video_id"].isin(video_ids), "missing")
    return Passport("theirs", whole.head, whole.rows.assign(status=status))


def test_on_all_videos_it_is_the_evaluation():
    results, found = read_results(EVAL), rescore(EVAL, [open_passport(SHARDS)])
    assert (found.top1, found.top5, found.num_videos) == (results.top1, results.top5, 6)
    assert found.model_copy(update={"passports": {}}) == rescore(EVAL)
    assert found.top1_interval == results.interval.top1


def test_only_common_videos_count():
    predictions = read_predictions(EVAL)
    right = predictions["label"] == predictions["predicted"]
    gone = predictions.loc[right, "key"].str.removeprefix("validation-").iloc[0]
    found = rescore(EVAL, [open_passport(SHARDS), passport_without(gone)])
    assert (found.num_videos, found.num_judged) == (5, 6)
    assert found.top1 == pytest.approx((int(right.sum()) - 1) / 5)


def test_both_laboratories_get_the_same_number():
    """What one has beyond the other does not count, so the order of the passports does not either."""
    keys = read_predictions(EVAL)["key"].str.removeprefix("validation-")
    ours, theirs = passport_without(keys.iloc[0]), passport_without(keys.iloc[3])
    assert rescore(EVAL, [ours, theirs]) == rescore(EVAL, [theirs, ours])
    assert rescore(EVAL, [ours, theirs]).num_videos == 4


def test_an_evaluation_beside_itself():
    found = compare_evaluations(EVAL, EVAL)
    assert (found.num_videos, found.only_first, found.only_second, found.p_value) == (6, 0, 0, 1.0)


def test_nothing_in_common():
    whole = open_passport(SHARDS)
    nothing = Passport("nothing", whole.head, whole.rows.assign(status="missing"))
    with pytest.raises(HarnessError, match="holds 6 evaluated videos, none of which is in all of: nothing"):
        rescore(EVAL, [nothing])


def test_the_passport_of_another_dataset():
    whole = open_passport(SHARDS)
    head = whole.head.model_copy(update={"classes": ("yoga", "zumba")})
    with pytest.raises(HarnessError, match=r"other is the passport of another dataset \(ssv2, with classes"):
        rescore(EVAL, [Passport("other", head, whole.rows)])


def test_damaged_predictions(tmp_path):
    (tmp_path / "results.json").write_bytes((EVAL / "results.json").read_bytes())
    pd.DataFrame({"key": ["a"]}).to_parquet(tmp_path / "predictions.parquet")
    with pytest.raises(HarnessError, match=r"predictions\.parquet cannot be read"):
        rescore(tmp_path)
    (tmp_path / "predictions.parquet").unlink()
    with pytest.raises(HarnessError, match=r"predictions\.parquet cannot be read"):
        rescore(tmp_path)


def test_predictions_of_other_bytes_are_refused(evaluated, tmp_path):
    """A flipped bit of a score reads like any other score; results.json knows the bytes."""
    assert rescore(evaluated).num_videos == 7
    assert read_results(EVAL).predictions_sha256 == "", "release 0.1 did not say"
    copied = shutil.copytree(evaluated, tmp_path / "copied")
    path, whole = copied / "predictions.parquet", (evaluated / "predictions.parquet").read_bytes()
    for place in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        for read in (rescore, read_scores):
            with pytest.raises(
                HarnessError, match=r"predictions\.parquet cannot be read \(it is damaged, or"
            ):
                read(copied)
