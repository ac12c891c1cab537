"""The datasets that people evaluate on: their official lists count what was published, to the row."""

import pytest

from tests.helpers.paths import REAL_DATA
from tests.helpers.raw_videos.small_datasets import put_text
from vidprep.datasets.audit_counts import audit_remarks, audit_splits
from vidprep.datasets.inventory import take_inventory
from vidprep.errors import AnnotationError, RecipeError
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import DatasetStage

LISTS_DIR = REAL_DATA / "annotations"
real_lists = pytest.mark.skipif(not LISTS_DIR.is_dir(), reason="no real annotation lists in ../shared/data")


def inventory(name, *paths, **stage):
    return take_inventory(DatasetStage(name=name, **stage), [], [str(path) for path in paths])


@real_lists
@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "stage", "train", "validation"),
    [
        ("ucf101", {}, 9_537, 3_783),
        ("ucf101", {"fold": 2}, 9_586, 3_734),
        ("ucf101", {"fold": 3}, 9_624, 3_696),
        ("hmdb51", {}, 3_570, 1_530),
        ("hmdb51", {"fold": 2}, 3_570, 1_530),
        ("hmdb51", {"fold": 3}, 3_570, 1_530),
        ("diving48", {}, 15_027, 1_970),
        ("jester", {}, 118_562, 14_787),
        ("epic100", {"target": "noun"}, 67_217, 9_668),
        ("k600", {}, 0, 28_267),
        ("k600", {"release": "2018"}, 0, 30_000),
        ("k700", {}, 0, 33_909),
    ],
)
def test_counts_of_the_official_lists(name, stage, train, validation):
    found = inventory(name, LISTS_DIR / name, **stage)
    splits = audit_splits(found)
    assert [split.annotated for split in splits] == [train, validation]
    assert [split.rejected for split in splits] == [0, 0]
    assert all(not split.difference for split in splits)
    assert not found.rows["key"].duplicated().any()


@real_lists
@pytest.mark.real_data
def test_kitchens_have_verbs_and_nouns_and_say_whose_list_it_is():
    texts = "\n".join(remark.text for remark in audit_remarks(inventory("epic100", LISTS_DIR / "epic100")))
    assert "rulstm_training.csv.gz: This is RULSTM's list, not the official EPIC_100_train.csv" in texts
    assert "700 untrimmed videos" in texts
    assert "Trained on is the verb (97 classes); each sample also has its noun (300)." in texts


@real_lists
@pytest.mark.real_data
def test_a_list_that_is_given_tells_its_release():
    found = inventory("k600", LISTS_DIR / "k600/kinetics-600_val.csv.gz")
    assert found.expected == {"validation": 30_000}


def test_ucf_lists_of_windows(tmp_path):
    put_text(tmp_path / "trainlist01.txt", "Archery/v_Archery_g08_c01.avi 3\r\n\r\n")
    put_text(tmp_path / "testlist01.txt", "Basketball/v_Basketball_g01_c01.avi\r\n")
    rows = inventory("ucf101", tmp_path).rows
    assert rows[["split", "video_id", "class", "label"]].to_numpy().tolist() == [
        ["train", "v_Archery_g08_c01", "Archery", 2],
        ["validation", "v_Basketball_g01_c01", "Basketball", 7],
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("trainlist01.txt", "Archery/v_a.avi 4\n", "line 1: index 4 is 'BabyCrawling', folder is 'Archery'"),
        ("trainlist01.txt", "Archery/v_a.avi 102\n", "line 1: UCF101 numbers its labels from 1 to 101, got"),
        ("trainlist01.txt", "Arcery/v_a.avi 3\n", "line 1: index 3 is 'Archery', folder is 'Arcery'"),
        (
            "testlist01.txt",
            "Arcery/v_a.avi\n",
            "line 1: UCF101 has no class 'Arcery'. Did you mean 'Archery'",
        ),
        ("mine.txt", "Archery/v_a.avi 3\n", "which list of UCF101 is this"),
        (
            "trainlist02.txt",
            "Archery/v_a.avi 3\n",
            "is a list of fold 2, dataset.fold is 1. Pass --set dataset",
        ),
        ("classInd.txt", "1 Archery\n", "not the label order of UCF101: index 0 is 'Archery'"),
    ],
)
def test_malformed_ucf_lists(tmp_path, name, text, message):
    with pytest.raises(AnnotationError, match=message):
        inventory("ucf101", put_text(tmp_path / name, text))


def test_a_release_that_is_called_like_a_number():
    for value in ("2018", "'2018'"):
        assert read_pipeline("k600", [f"dataset.release={value}"]).dataset.release == "2018"


def test_a_fold_that_does_not_exist(tmp_path):
    with pytest.raises(RecipeError, match=r"dataset.fold 4: UCF101 has folds 1 to 3"):
        inventory("ucf101", tmp_path, fold=4)
    with pytest.raises(RecipeError, match=r"dataset.fold 2: Kinetics-700 has no folds"):
        inventory("k700", tmp_path, fold=2)
    with pytest.raises(RecipeError, match=r"dataset.release '2019': Kinetics-600 has thinned, 2018"):
        inventory("k600", tmp_path, release="2019")
    with pytest.raises(
        RecipeError, match=r"dataset.target 'adverb': EPIC-KITCHENS-100 has the labels verb, n"
    ):
        inventory("epic100", tmp_path, target="adverb")


def test_names_of_hmdb_become_keys_that_can_be_read_back(tmp_path):
    name = "Brushing_Her_Hair__[_NEW_AUDIO_]_UPDATED!!!!_brush_hair_h_cm_np1_fr_goo_0"
    put_text(tmp_path / "brush_hair_test_split1.txt", f"{name}.avi 1 \n#a.avi 2 \nunused.avi 0 \n")
    put_text(tmp_path / "wave_test_split1.txt", "Ünder.avi 1 \n")
    found = inventory("hmdb51", tmp_path)
    assert found.lists == {"train": str(tmp_path), "validation": str(tmp_path)}
    keys = dict(zip(found.rows["video_id"], found.rows["key"], strict=True))
    assert keys["#a"] == "validation_e--23a"
    assert keys["Ünder"] == "train_e--C3-9Cnder"
    assert keys[name].startswith("train_h-Brushing_Her_Hair__-5B_NEW")
    assert len(keys[name]) == 90


def test_segments_of_kitchens(tmp_path):
    row = ["P01_11_0,P01_11,1,30,0,2,106", "P01_11_1,P01_11,31,90,1,299,7"]
    put_text(tmp_path / "rulstm_training.csv", "\n".join(row))
    rows = inventory("epic100", tmp_path).rows
    assert rows["class"].tolist() == ["take", "put"]
    assert '"start":1.0,"end":3.0' in rows["segment"][1]
    put_text(tmp_path / "EPIC_100_video_info.csv", "video_id,duration,fps,resolution\nP01_11,2.0,60,1x1\n")
    with pytest.raises(
        AnnotationError, match=r"rulstm_training.csv line 2: the segment ends at 3 s, P01_11 at 2 s"
    ):
        inventory("epic100", tmp_path)
    put_text(tmp_path / "rulstm_training.csv", "P01_11_0,P01_11,40,30,0,2,106")
    with pytest.raises(AnnotationError, match=r"line 1: last_frame must be after first_frame, got 40 to 30"):
        inventory("epic100", tmp_path)
    put_text(tmp_path / "rulstm_training.csv", "P01_11_0,P01_11,4,30,97,2,106")
    with pytest.raises(AnnotationError, match=r"line 1: .* numbers its labels from 0 to 96, got '97'"):
        inventory("epic100", tmp_path)
