"""What an evaluation's page says, and evaluations of which something is missing or damaged."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.runs.report_material import NAMES, SCRIPT, write_evaluation
from vidprep.errors import ReportError
from vidprep.report.find import find_subjects
from vidprep.report.page import write_page
from vidprep.report.sections.confusion import confusion_chart, confusion_matrix, most_confused
from vidprep.report.sections.evaluations import view_evaluation
from vidprep.shards.shard_set import ShardSet

WRONG = (0, 3, 4)  # of nine: two of the first class, one of the second


def view(path, max_chars=1_000_000):
    (subject,) = find_subjects([path])
    return view_evaluation(subject, max_chars)


@pytest.fixture
def folder(work, tmp_path):
    return write_evaluation(tmp_path / "eval", work / "shards", wrong=WRONG)


def test_headline(folder):
    seen = view(folder)
    assert seen.top1 == "66.67 %"
    assert seen.interval == "95 % interval 33.33 % to 83.33 %"
    assert ("chance, 3 classes", "33.33 %") in seen.headline
    assert ("top-1 of centre view", "40.00 %") in seen.headline
    assert ("stored", "9") in seen.coverage
    assert seen.all_stored_scored
    assert seen.notes == []


def test_what_the_figures_are_of(work, folder, tmp_path):
    assert view(folder).accounting == [("scored", "9 of 9 stored")]  # as evaluations of release 0.1
    annotation = {"annotated": 12, "used": 9, "rejected": 1, "missing": 2, "expected": 20}
    annotation |= {"top1_bounds": [0.5, 0.75], "top5_bounds": [0.75, 1.0]}
    path = write_evaluation(tmp_path / "more", work / "shards", wrong=WRONG, annotation=annotation)
    assert view(path).accounting == [
        ("annotated", "12"),
        ("used", "9"),
        ("rejected", "1"),
        ("missing", "2"),
        ("scored", "9 of 9 stored"),
        ("Table A counts", "20"),
        ("top-1 over all annotated", "50.00 % to 75.00 %"),
        ("top-5 over all annotated", "75.00 % to 100.00 %"),
    ]
    page = write_page(find_subjects([path]))
    assert "50.00 % to 75.00 %" in page and "top-5 over all annotated" in page


def test_accuracy_of_each_class_best_first(folder):
    assert [(bar.name, bar.text) for bar in view(folder).class_bars] == [
        (NAMES[2], "3 of 3"),
        (NAMES[1], "2 of 3"),
        (NAMES[0], "1 of 3"),
    ]


def test_confused_pairs(folder):
    pairs = view(folder).pairs
    assert [(pair.true, pair.predicted, pair.count) for pair in pairs] == [
        (NAMES[0], NAMES[1], 2),
        (NAMES[1], NAMES[2], 1),
    ]
    assert pairs[0].share == pytest.approx(2 / 3)


def test_the_surest_videos_with_their_frames(folder):
    videos = view(folder).videos
    assert [video.key for video in videos.worst] == ["validation-v0", "validation-v3", "validation-v4"]
    assert [video.key for video in videos.best][:2] == ["validation-v1", "validation-v2"]
    assert videos.worst[0].confidence == pytest.approx(np.exp(10) / (np.exp(10) + 2))
    assert (videos.worst[0].true, videos.worst[0].predicted) == (NAMES[0], NAMES[1])
    assert all(len(video.frames) == 3 for video in (*videos.worst, *videos.best))
    assert videos.problem == ""


def test_shards_that_moved_or_changed_are_said(folder, work, tmp_path):
    results = json.loads((folder / "results.json").read_text())
    for facts, problem in (
        (
            {"root": "nowhere", "fingerprint": "x", "split": "validation"},
            "No frames: No folder nowhere",
        ),
        ({"root": str(work / "shards"), "fingerprint": "x", "split": "validation"}, "is another shard set"),
    ):
        (folder / "results.json").write_text(json.dumps(results | {"shards": facts}))
        videos = view(folder).videos
        assert problem in videos.problem
        assert all(video.frames == [] for video in (*videos.worst, *videos.best))


def test_without_predictions_the_headline_is_left(folder):
    path = folder / "predictions.parquet"
    whole = pq.read_table(path)
    path.write_bytes(path.read_bytes()[:100])
    assert view(folder).notes[0].startswith("Only the headline can be shown. predictions.parquet: ")
    path.unlink()
    seen = view(folder)
    assert "No such file" in seen.notes[0]
    assert seen.confusion is None
    pq.write_table(whole.drop_columns(["logit_sum"]), path)
    assert "it lacks the columns logit_sum" in view(folder).notes[0]
    outside = pa.array([7] * 9, pa.int32())
    pq.write_table(whole.set_column(2, "predicted", outside), path)
    assert "a 'predicted' lies outside of the 3 classes" in view(folder).notes[0]
    short = pa.array([[1.0]] * 9)
    pq.write_table(whole.set_column(whole.schema.names.index("logit_sum"), "logit_sum", short), path)
    assert "'logit_sum' does not hold 3 values in each row" in view(folder).notes[0]
    pq.write_table(whole.slice(0, 0), path)
    assert view(folder).class_bars == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"results\.json holds no results of this version: not JSON: Invalid JSON"),
        ("[]", "no results of this version"),
        ('{"format": "vidprep evaluation 1", "top1": 0.5}', r"Field required\. Run the evaluation again\."),
    ],
)
def test_damaged_results_are_errors(folder, text, message):
    (folder / "results.json").write_text(text)
    with pytest.raises(ReportError, match=message):
        view(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "vidprep evaluation 9"}, "version: format: Input should be 'vidprep evaluation 1'"),
        ({"classes": []}, "classes: Tuple should have at least 1 item"),
    ],
)
def test_results_of_another_version_or_without_classes_are_errors(folder, change, message):
    results = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps(results | change))
    with pytest.raises(ReportError, match=message):
        view(folder)


def test_predictions_of_another_evaluation_are_not_shown(folder, work, tmp_path):
    other = write_evaluation(tmp_path / "other", work / "shards", wrong=(1,))
    shutil.copy(other / "predictions.parquet", folder)
    seen = view(folder)
    assert (
        "of another evaluation than results.json: 9 videos with top-1 88.89%, not 9 with 66.67%"
        in seen.notes[0]
    )
    assert seen.class_bars == []


def test_labels_of_the_confusion_matrix_are_named(folder):
    assert view(folder).labels == [(str(label), name) for label, name in enumerate(NAMES)]


def test_an_evaluation_that_lacks_videos_names_what_failed(work, tmp_path):
    failed = [{"key": f"validation-v{number}", "error": SCRIPT} for number in range(50)]
    coverage = {"stored": 60, "scored": 9, "unscored": 51, "duplicates": 0, "failed": failed}
    folder = write_evaluation(tmp_path / "eval", work / "shards", all_stored_scored=False, coverage=coverage)
    seen = view(folder)
    assert not seen.all_stored_scored
    assert seen.basis == "validation, 9 videos, 3 × 3 views, of 60 stored"
    assert seen.failed[0] == ("validation-v0", SCRIPT)
    assert seen.pairs == []


def test_little_room_leaves_the_frames_out(folder):
    videos = view(folder, 1000).videos
    assert all(video.frames == [] for video in (*videos.worst, *videos.best))
    assert videos.worst[0].problem == "No room in this page for its frames."


def test_a_shown_video_that_does_not_decode_says_so(work, tmp_path):
    root = shutil.copytree(work / "shards", tmp_path / "set")
    video = ShardSet.open(root).split("validation").video(0)
    with (root / video.shard).open("r+b") as tar:
        tar.seek(video.offset + video.size // 2)
        tar.write(b"\0" * 100)
    videos = view(write_evaluation(tmp_path / "eval", root, wrong=(0,))).videos
    assert video.key in videos.worst[0].problem
    assert [one.problem for one in videos.best] == [""] * len(videos.best)


def test_a_matrix_of_400_classes_keeps_every_class_and_shows_those_that_occur():
    labels = np.arange(400).repeat(3)
    predicted = np.where(np.arange(1200) % 3 == 2, (labels + 1) % 400, labels)
    matrix = confusion_matrix(labels, predicted, 400)
    assert matrix.sum() == 1200
    assert matrix[399, 0] == 1
    assert "Confusion matrix of 400 classes" in confusion_chart(matrix)
    sparse = confusion_matrix(labels[:6], predicted[:6], 400)
    assert "Confusion matrix of 3 classes" in confusion_chart(sparse)
    assert len(most_confused(matrix, [str(label) for label in range(400)])) == 15


def test_the_folder_may_have_been_copied(folder, tmp_path):
    copied = shutil.copytree(folder, tmp_path / "elsewhere")
    assert view(copied).videos.problem == ""


def test_a_network_that_diverged_is_sure_of_nothing(folder):
    path = folder / "predictions.parquet"
    whole = pq.read_table(path)
    nothing = pa.array([[float("nan")] * 3] * 9, pa.list_(pa.float32()))
    pq.write_table(whole.set_column(whole.schema.names.index("logit_sum"), "logit_sum", nothing), path)
    videos = view(folder).videos
    assert np.isnan([video.confidence for video in (*videos.best, *videos.worst)]).all()
