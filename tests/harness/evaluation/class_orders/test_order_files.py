"""Lists of classes as other projects write them, and what they make of logits."""

import json

import pytest

from tests.helpers.paths import REAL_DATA
from vidprep.errors import CheckpointError
from vidprep.harness.evaluation.class_orders.order_files import order_logits, plain_name, read_order
from vidprep.recipes.manifests import dataset_names, read_dataset

NAMES = ["riding a bike", "Pushing [something]", "massaging person's head", "tying knot (not on a tie)"]
WANTED = ["massaging person's head", "Pushing something", "riding a bike", "tying knot (not on a tie)"]


@pytest.mark.parametrize(
    ("text", "order"),
    [
        (
            "riding_a_bike\nPushing [something]\nmassaging person's head\ntying knot (not on a tie)\n",
            (2, 1, 0, 3),
        ),
        ("\n".join(f'"{name}"\t{3 - n}' for n, name in enumerate(NAMES)), (1, 2, 3, 0)),
        ("\n".join(f"{name},{n}" for n, name in enumerate(NAMES)), (2, 1, 0, 3)),
        ("id,name\n" + "\n".join(f"{n},{name}" for n, name in enumerate(NAMES)), (2, 1, 0, 3)),
        (json.dumps(NAMES), (2, 1, 0, 3)),
        (json.dumps({f'"{name}"': n for n, name in enumerate(NAMES)}), (2, 1, 0, 3)),
        (json.dumps({str(n): name.upper() for n, name in enumerate(NAMES)}), (2, 1, 0, 3)),
    ],
    ids=["lines", "tabs", "commas", "csv", "list", "numbers by name", "names by number"],
)
def test_every_form_of_a_list(tmp_path, text, order):
    path = tmp_path / "classes"
    path.write_text(text)
    found = order_logits(str(path), WANTED, 4)
    assert (found.logits, found.num_logits, found.source) == (order, 4, str(path))


def test_classes_that_the_shards_lack_are_left_out(tmp_path):
    path = tmp_path / "classes.txt"
    path.write_text("\n".join(NAMES))
    assert order_logits(str(path), WANTED[1:3], 4).logits == (1, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\nc", r"names 3 classes, the network has 4 logits. Give the list of its training"),
        ("a\nb\nA\nc", r"'a' is there 2 times. Remove one"),
        ("a\nb\nc\nd", r"lacks 1 of the 2 classes of the shards, the first: 'bowling'. Give the list of"),
        ("a\nb\nbowing\nd", r"the first: 'bowling' \(nearest: 'bowing'\)"),
        ("a\t0\nb\t1\nc\t2\nbowling\t7", r"its numbers do not run from 0 on without gaps. A file has one"),
        ("[1, 2", r"A file has one class name a line"),
        ("\n", r"holds no names"),
    ],
)
def test_lists_that_do_not_fit(tmp_path, text, message):
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=message):
        order_logits(str(path), ["a", "bowling"], 4)


def test_no_such_list():
    with pytest.raises(
        CheckpointError, match=r"nothing: no such file, nor a shipped order \(uniformer_k400\)"
    ):
        read_order("nothing")


def test_the_shipped_order_is_that_of_uniformer():
    names, classes = read_order("uniformer_k400"), read_dataset("k400").labels.classes
    assert (names.index("riding a bike"), names.index("abseiling")) == (0, 341)
    order = order_logits("uniformer_k400", classes, 400)
    assert sorted(order.logits) == list(range(400))
    assert order.logits[list(classes).index("abseiling")] == 341


def test_plain_names_stay_apart_in_every_dataset():
    assert len(dataset_names()) >= 9
    for name in dataset_names():
        classes = read_dataset(name).labels.classes
        assert len({plain_name(one) for one in classes}) == len(classes), name


@pytest.mark.real_data
@pytest.mark.skipif(not REAL_DATA.is_dir(), reason="real annotation lists are not on this machine")
def test_lists_of_other_projects():
    folder, classes = REAL_DATA / "annotations/k400/orders", read_dataset("k400").labels.classes
    alphabetical = tuple(range(400))
    assert order_logits(str(folder / "mmaction2_label_map_k400.txt"), classes, 400).logits == alphabetical
    uniformer = order_logits(str(folder / "uniformer_kinetics_400_categroies.txt"), classes, 400)
    assert uniformer.logits == order_logits("uniformer_k400", classes, 400).logits != alphabetical
    assert sorted(order_logits(str(folder / "nonlocal_classids.json"), classes, 400).logits) == [
        *alphabetical
    ]
