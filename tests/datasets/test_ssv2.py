"""Something-Something lists: the official forms, and every way to be wrong."""

import json

import pytest

from tests.helpers.raw_videos.small_datasets import CLOSING, HOLDING, ROLLING, put, put_text, ssv2, ssv2_list
from vidprep.datasets import list_records
from vidprep.datasets.list_rows import looks_like, matching_name
from vidprep.errors import AnnotationError
from vidprep.recipes.manifests import read_dataset

DATASET = read_dataset("ssv2")


def is_list(path):
    return any(matching_name(rule, path) and looks_like(rule, path) for rule in DATASET.lists)


def read_list(path, dataset):
    rule = next(rule for rule in dataset.lists if matching_name(rule, path, given=True))
    return list_records.read_list(path, rule, dataset)


def test_class_is_the_template_without_brackets(tmp_path):
    template = "Putting [something] in front of [something]"
    path = put_text(tmp_path / "train.json", json.dumps([{"id": "1", "template": template}]))
    assert list(read_list(path, DATASET)["class"]) == ["Putting something in front of something"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_the_official_form(tmp_path, suffix):
    path = ssv2_list(tmp_path, "validation", {"7": HOLDING, "3": CLOSING}, suffix)
    table = read_list(tmp_path / path, DATASET)
    assert table.to_dict("split")["data"] == [
        ["validation", "7", "Holding something next to something", f"{path.rpartition('/')[2]}", "row 1"],
        ["validation", "3", "Closing something", f"{path.rpartition('/')[2]}", "row 2"],
    ]


def test_ids_may_be_numbers(tmp_path):
    path = put_text(tmp_path / "train.json", json.dumps([{"id": 12, "template": CLOSING}]))
    assert list(read_list(path, DATASET)["video_id"]) == ["12"]


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("something-something-v2-train.json", "[]", True),
        ("something-something-v2-validation.json.gz", "[]", True),
        ("something-something-v2-test.json", "[]", True),
        ("labels.json", "{}", True),
        ("train.json", "[]", True),
        ("train.json", '{"kinetics": {}}', False),  # Kinetics ships a train.json, too
        ("my-train.json", "[]", False),
        ("train.csv", "[]", False),
    ],
)
def test_lists_are_found_by_name_and_first_character(tmp_path, name, text, expected):
    assert is_list(put_text(tmp_path / name, text)) is expected


def test_finds_lists_in_folders_and_ignores_test(tmp_path):
    ssv2_list(tmp_path / "labels", "train", {"1": HOLDING})
    ssv2_list(tmp_path / "annotations", "validation", {"2": CLOSING}, ".gz")
    put_text(tmp_path / "annotations/something-something-v2-test.json", '[{"id": "3"}]')
    put_text(tmp_path / "annotations/._something-something-v2-train.json", "x")
    inventory = ssv2([], [str(tmp_path)])
    assert list(inventory.rows["video_id"]) == ["1", "2"]
    assert list(inventory.lists) == ["train", "validation"]
    assert inventory.lists["train"].endswith("labels/something-something-v2-train.json")


def test_a_file_of_another_name_tells_its_split_at_the_end(tmp_path):
    path = put_text(tmp_path / "cleaned_val.json", json.dumps([{"id": "1", "template": CLOSING}]))
    assert list(ssv2([], [str(path)]).lists) == ["validation"]
    path = put_text(tmp_path / "rows.json", "[]")
    with pytest.raises(AnnotationError, match=r"rows.json: is this the train or the validation list"):
        ssv2([], [str(path)])


def put_labels(folder, names):
    labels = {name: str(index) for index, name in enumerate(names)}
    return str(put_text(folder / "something-something-v2-labels.json", json.dumps(labels)))


def test_labels_file_equal_to_the_manifest(tmp_path):
    lists = [put_labels(tmp_path, DATASET.labels.classes), ssv2_list(tmp_path, "train", {"1": ROLLING})]
    assert len(ssv2([], lists).rows) == 1


def test_labels_file_in_another_order(tmp_path):
    names = list(DATASET.labels.classes)
    names[3], names[4] = names[4], names[3]
    lists = [put_labels(tmp_path, names), ssv2_list(tmp_path, "train", {"1": ROLLING})]
    with pytest.raises(AnnotationError, match="index 3 is 'Burying something in something', the official"):
        ssv2([], lists)


def test_labels_file_that_is_too_short(tmp_path):
    with pytest.raises(AnnotationError, match="173 labels, Something-Something v2 has 174"):
        ssv2([], [put_labels(tmp_path, DATASET.labels.classes[:-1])])


@pytest.mark.parametrize("text", ["[]", '{"a": "x"}', '{"a": null}'])
def test_labels_file_of_another_form(tmp_path, text):
    path = put_text(tmp_path / "labels.json", text)
    with pytest.raises(AnnotationError, match=r"labels.json: not a labels file: it must hold"):
        ssv2([], [str(path)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"train.json: not valid JSON: .*line 1 column 2"),
        ('{"1": {}}', "no Something-Something list: .*found one JSON dict"),
        (
            '[{"id": "1", "template": "Closing [something]"}, {"id": "2"}]',
            r"row 2: needs an 'id' and a 'templ",
        ),
        ('[{"id": "", "template": "x"}]', "row 1: needs"),
        ('[{"id": true, "template": "x"}]', "row 1: needs"),
        ('[["1", "x"]]', r'row 1: needs .* got \["1", "x"\]'),
        ('[{"id": "\\ud800", "template": "x"}]', r"row 1: '\\ud800', 'x': no valid Unicode text"),
        (
            '[{"id": "1", "template": "Closing [somthing]"}]',
            "row 1: Something-Something v2 has no class 'Closing somthing'. Did you mean 'Closing something'",
        ),
    ],
)
def test_malformed(tmp_path, text, message):
    path = put_text(tmp_path / "train.json", text)
    with pytest.raises(AnnotationError, match=message):
        ssv2([], [str(path)])


def test_unreadable_file(tmp_path):
    path = put(tmp_path / "train.json.gz", b"no gzip")
    with pytest.raises(AnnotationError, match=r"train.json.gz: cannot be read: .*Fetch the file again"):
        ssv2([], [str(path)])
    path = put(tmp_path / "val.json", b"\xff\xfe")
    with pytest.raises(AnnotationError, match=r"val.json: cannot be read"):
        ssv2([], [str(path)])
