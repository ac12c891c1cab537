"""Which classes a recipe selects."""

import pytest

from vidprep.errors import RecipeError
from vidprep.recipes.classes import expected_counts, resolve_classes
from vidprep.recipes.recipe import DatasetStage


def stage(**values):
    return DatasetStage(**values)


@pytest.mark.parametrize(
    ("chosen", "count", "expected"),
    [
        (stage(name="ssv2"), 174, {"train": 168913, "validation": 24777}),
        (stage(name="ssv2", subset="mini_ssv2"), 87, {"train": 81663, "validation": 11799}),
        (stage(name="k400"), 400, {"train": 241181, "validation": 19877}),
        (stage(name="k400", subset="mini_k400"), 200, {"train": 121802, "validation": 9934}),
        (stage(name="k400", classes=("yoga", "archery")), 2, {}),
    ],
)
def test_classes_and_counts(chosen, count, expected):
    assert len(resolve_classes(chosen)) == count
    assert expected_counts(chosen) == expected


def test_ones_own_classes_are_sorted():
    assert resolve_classes(stage(name="k400", classes=("yoga", "archery"))) == ("archery", "yoga")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (stage(name="k400", subset="mini_ssv2"), "'mini_ssv2' is one of ssv2, .*Subsets of k400: mini_k400"),
        (stage(name="k400", subset="mini"), "Unknown subset 'mini'"),
        (stage(name="k800"), "Unknown dataset 'k800'. Did you mean 'k"),
        (
            stage(name="k400", classes=("yogga",)),
            "name 1: Kinetics-400 has no class 'yogga'. Did you mean 'y",
        ),
        (stage(name="k400", classes=("yoga", "yoga")), "class 'yoga' is listed twice"),
    ],
)
def test_wrong_choice(chosen, message):
    with pytest.raises(RecipeError, match=message):
        resolve_classes(chosen)
