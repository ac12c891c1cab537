"""Facts about datasets: orders, sizes, and class lists of one's own."""

import json

import pytest

from tests.helpers.paths import REAL_DATA
from vidprep.errors import RecipeError
from vidprep.recipes.manifests import (
    class_list_hash,
    dataset_names,
    read_class_list,
    read_dataset,
    read_subset,
    subset_names,
)
from vidprep.recipes.mini import mini_recipe

ANNOTATIONS = REAL_DATA / "annotations"


def test_what_there_is():
    assert dataset_names() == [
        *("diving48", "epic100", "hmdb51", "jester", "k400", "k600", "k700", "ssv2", "ucf101")
    ]
    assert (subset_names("k400"), subset_names("ssv2")) == (["mini_k400"], ["mini_ssv2"])


@pytest.mark.parametrize(
    ("name", "num_classes", "train", "validation"),
    [("ssv2", 174, 168_913, 24_777), ("k400", 400, 241_181, 19_877)],
)
def test_datasets_have_table_a_counts(name, num_classes, train, validation):
    dataset = read_dataset(name)
    assert len(set(dataset.labels.classes)) == num_classes
    assert dataset.expected == {"train": train, "validation": validation}
    assert list(dataset.labels.classes) == sorted(dataset.labels.classes)


@pytest.mark.parametrize(
    ("name", "num_classes", "train", "validation"),
    [("mini_ssv2", 87, 81_663, 11_799), ("mini_k400", 200, 121_802, 9_934)],
)
def test_subsets_are_alphabetical_and_of_their_dataset(name, num_classes, train, validation):
    subset = read_subset(name)
    assert len(set(subset.labels.classes)) == num_classes
    assert list(subset.labels.classes) == sorted(subset.labels.classes)
    assert set(subset.labels.classes) <= set(read_dataset(subset.dataset).labels.classes)
    assert subset.expected == {"train": train, "validation": validation}


def test_flip_partners_of_ssv2_have_their_official_indices():
    dataset = read_dataset("ssv2")
    pairs = [tuple(dataset.label_of[name] for name in pair.classes) for pair in dataset.flip_partners]
    assert pairs == [(86, 87), (93, 94), (166, 167)]


@pytest.mark.real_data
@pytest.mark.skipif(not ANNOTATIONS.is_dir(), reason=f"no real annotations at {ANNOTATIONS}")
def test_labels_equal_the_official_files():
    labels = json.loads((ANNOTATIONS / "ssv2" / "something-something-v2-labels.json").read_text())
    assert read_dataset("ssv2").label_of == {name: int(index) for name, index in labels.items()}
    published = (ANNOTATIONS / "k400" / "mini_k400_classes_as_published.txt").read_text().splitlines()
    assert set(read_subset("mini_k400").labels.classes) == {
        "yoga" if name.startswith("yoga") else name for name in published if name
    }


def write(path, *names):
    path.write_text("\n".join(names) + "\n")
    return path


def test_a_class_list_of_ones_own(tmp_path):
    path = write(tmp_path / "two-sports.txt", "yoga", "", "archery")
    subset = read_class_list(path, read_dataset("k400"))
    assert (subset.name, subset.labels.classes) == ("two_sports", ("archery", "yoga"))
    recipe = mini_recipe("k400", 2, path, None)
    assert (recipe.name, recipe.dataset.classes, recipe.dataset.subset) == (
        "two_sports",
        ("archery", "yoga"),
        None,
    )


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["yoga", "archerry"], r"name 2: Kinetics-400 has no class 'archerry'. Did you mean 'archery'\?"),
        (["yoga", "yoga"], "class 'yoga' is listed twice"),
        ([""], "no class names"),
    ],
)
def test_wrong_class_lists(tmp_path, names, message):
    with pytest.raises(RecipeError, match=message):
        read_class_list(write(tmp_path / "mine.txt", *names), read_dataset("k400"))


def test_a_missing_class_list(tmp_path):
    with pytest.raises(RecipeError, match=r"No class list at .*nowhere\.txt"):
        read_class_list(tmp_path / "nowhere.txt", read_dataset("k400"))


def test_another_list_cannot_pass_for_the_published_one(tmp_path):
    names = read_subset("mini_k400").labels.classes
    with pytest.raises(RecipeError, match="this list shares 199 of them"):
        read_class_list(write(tmp_path / "mini_k400.txt", *names[:-1]), read_dataset("k400"))
    assert (
        read_class_list(write(tmp_path / "mini_k400.txt", *names), read_dataset("k400")).labels.classes
        == names
    )
    with pytest.raises(RecipeError, match="'k400' is the name of a dataset"):
        read_class_list(write(tmp_path / "k400.txt", "yoga"), read_dataset("k400"))


def test_a_list_with_199_names(tmp_path):
    path = write(tmp_path / "almost.txt", *read_subset("mini_k400").labels.classes[:-1])
    with pytest.raises(RecipeError, match=r"almost\.txt: 199 class names, --classes says 200"):
        mini_recipe("k400", 200, path, None)


def test_which_subsets_there_are():
    assert mini_recipe("ssv2", 87, None, None).name == "mini_ssv2"
    assert mini_recipe("k400", None, None, ["transcode.crf=30"]).transcode.crf == 30
    with pytest.raises(RecipeError, match=r"There is mini_k400 \(200 classes\).*--class-list FILE"):
        mini_recipe("k400", 100, None, None)
    with pytest.raises(RecipeError, match="--src ucf101: unknown dataset"):
        mini_recipe("ucf101", None, None, None)


def test_the_hash_tells_orders_apart():
    assert class_list_hash(["a", "b"]) != class_list_hash(["b", "a"])
