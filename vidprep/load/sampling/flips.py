"""Whether a clip is mirrored, and what it then shows."""

from collections.abc import Mapping
from typing import Literal

from vidprep.errors import ShardError
from vidprep.load.sampling.draws import Draws
from vidprep.recipes.classes import dataset_of
from vidprep.shards.shard_set import ShardSet

FlipRule = Literal["none", "safe", "all"]


def flip_partners(shards: ShardSet, rule: FlipRule) -> dict[int, int | None]:
    """Return `partner_labels` of a shard set; empty unless the rule is "safe", which alone needs them.

    Raises:
        ShardError: If the classes of the shard set are not known, and the rule is "safe".
    """
    if rule != "safe":
        return {}
    if shards.manifest is None:
        raise ShardError(
            f"{shards.root} has no manifest, so it is not known which classes mirror each other: "
            'flip = "safe" is not possible. Use "none" or "all".'
        )
    pairs = [pair.classes for pair in dataset_of(shards.manifest.recipe.dataset).flip_partners]
    return partner_labels(shards.classes, pairs)


def partner_labels(classes: Mapping[str, int], pairs: list[tuple[str, str]]) -> dict[int, int | None]:
    """Return what a mirrored clip of a class shows: the partner's label, or None where it is no class here.

    Args:
        classes: Label of each class name of the shard set.
        pairs: Names of two classes that mirroring turns into each other, from the dataset's manifest. An
            explicit list: "right" also stands in names that have no partner.
    """
    both_ways = pairs + [(b, a) for a, b in pairs]
    return {classes[name]: classes.get(partner) for name, partner in both_ways if name in classes}


def train_flip(
    rule: FlipRule, label: int, partners: Mapping[int, int | None], draws: Draws
) -> tuple[bool, int]:
    """Return whether to mirror a training clip, and the label it then has.

    "all" mirrors every class and keeps its label; "safe" swaps the label of a class that has a partner, and
    leaves a class alone whose partner is not in the shard set.
    """
    if rule == "none" or not draws.below(2):
        return False, label
    if rule == "all":
        return True, label
    partner = partners.get(label, label)
    return (False, label) if partner is None else (True, partner)
