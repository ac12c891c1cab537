"""What a folder's name says."""

import pytest

from vidprep.datasets.folders import class_folders, describe_folder
from vidprep.recipes.manifests import read_dataset

CLASS_OF = class_folders(read_dataset("k400").labels.classes)


def test_no_two_classes_share_their_letters():
    assert len(CLASS_OF) == 400


@pytest.mark.parametrize(
    ("folder", "split", "name"),
    [
        ("", "", ""),
        ("train", "train", ""),
        ("train_256/yoga", "train", "yoga"),
        ("videos_val/massaging_person's_head", "validation", "massaging person's head"),
        ("validate/massaging_persons_head", "validation", "massaging person's head"),
        (
            "Validation/passing American football (in game)",
            "validation",
            "passing American football (in game)",
        ),
        ("val_256/some part/yoga/part_1", "validation", "yoga"),
        ("k400/test", "test", ""),
        ("train_and_val", "", ""),
        ("trainer", "", ""),
        ("training dog", "", "training dog"),
        ("yoga", "", "yoga"),
        ("train/nonsense", "train", ""),
    ],
)
def test_describe_folder(folder, split, name):
    assert describe_folder(folder, CLASS_OF) == (split, name)


def test_no_class_folders():
    assert describe_folder("train/yoga", {}) == ("train", "")
