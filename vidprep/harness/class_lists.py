"""A label means a class only beside the list it comes from: checkpoint and shards must have the same."""

import logging
from itertools import zip_longest

import pyarrow.compute as pc

from vidprep.errors import CheckpointError, ShardError
from vidprep.model.weight_files import WeightFile
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.shard_set import ShardSet

_log = logging.getLogger(__name__)


def class_list(shards: ShardSet) -> tuple[str, ...]:
    """Return the class names of a shard set in label order.

    Third-party tars name no classes: theirs are called by their numbers, up to the largest that occurs.

    Raises:
        ShardError: If samples of such tars have no label.
    """
    if shards.manifest is not None:
        classes = shards.classes
        return tuple(sorted(classes, key=classes.__getitem__))
    labels = pc.min_max(shards.index["label"]).as_py()
    if labels["min"] < 0:
        raise ShardError(
            f"{shards.root} holds samples without a label. Put a number into the `cls` member of each, or "
            f"`label` into its `json`, and run `vidprep index {shards.root}` again."
        )
    return tuple(map(str, range(labels["max"] + 1)))


def check_same_classes(checkpoint: str, trained_on: tuple[str, ...], shards: ShardSet) -> None:
    """Refuse shards whose labels mean other classes than those that a network was trained on.

    Third-party tars: where classes have no names, every label has to be one of the network's. Where they have
    names, labels count the names that occur in alphabetical order, and that has to be the network's order.

    Args:
        checkpoint: Path of the checkpoint, for the message.
        trained_on: Class names in label order.

    Raises:
        CheckpointError: If the class lists differ; the message names the first difference.
        ShardError: As `class_list`.
    """
    held = class_list(shards)
    if shards.manifest is None:
        _check_number(checkpoint, len(trained_on), shards, held)
        _check_names(checkpoint, trained_on, shards)
        return
    if held == trained_on:
        return
    pairs = enumerate(zip_longest(trained_on, held))
    index, (ours, theirs) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    instead = "" if len(held) == len(trained_on) else f" instead of {len(trained_on)}"
    raise CheckpointError(
        f"checkpoint {checkpoint} was trained on class list {class_list_hash(trained_on)[:4]}…, "
        f"these shards hold {class_list_hash(held)[:4]}… ({len(held)} classes{instead}, "
        f"first difference at index {index}: {_name(ours)} / {_name(theirs)}). "
        "Use shards that were built with the class list of the training."
    )


def network_classes(file: WeightFile, shards: ShardSet) -> tuple[str, ...]:
    """Return the class of each logit of a network, after making sure that it fits a shard set.

    If the file names no classes, only their number is compared, and a warning says so.

    Returns:
        Class names in label order, one for each logit.

    Raises:
        CheckpointError: If the classes are other ones, or another number of them.
        ShardError: As `class_list`.
    """
    if file.classes is not None:
        check_same_classes(file.source, file.classes, shards)
        return file.classes
    held, num_classes = class_list(shards), len(file.tensors["fc.weight"])
    _check_number(file.source, num_classes, shards, held)
    _log.warning(
        "%s does not say which classes it was trained on, nor in which order: only their number, %d, was "
        "compared with %s.",
        file.source,
        num_classes,
        shards.root,
    )
    return held if shards.manifest is not None else tuple(map(str, range(num_classes)))


def _check_names(checkpoint: str, trained_on: tuple[str, ...], shards: ShardSet) -> None:
    """Refuse tars that give a label another name than the network does; labels without names pass."""
    if trained_on == tuple(map(str, range(len(trained_on)))):
        return
    named = {label: name for name, label in shards.classes.items() if label >= 0 and name != str(label)}
    wrong = next((label for label in sorted(named) if trained_on[label] != named[label]), None)
    if wrong is not None:
        raise CheckpointError(
            f"checkpoint {checkpoint} calls label {wrong} {trained_on[wrong]!r}, the tars of {shards.root} "
            f"call it {named[wrong]!r}: such tars number the names that occur in alphabetical order. Put the "
            "network's numbers into the `cls` member of each sample and run "
            f"`vidprep index {shards.root}` again."
        )


def _check_number(checkpoint: str, num_classes: int, shards: ShardSet, held: tuple[str, ...]) -> None:
    if shards.manifest is None and len(held) > num_classes:
        found = f"labels up to {len(held) - 1}"
    elif shards.manifest is not None and len(held) != num_classes:
        found = f"{len(held)} classes"
    else:
        return
    raise CheckpointError(
        f"checkpoint {checkpoint} has {num_classes} classes, {shards.root} has {found}. "
        "Use the shards of the dataset that it was trained on."
    )


def _name(name: str | None) -> str:
    return "no class" if name is None else repr(name)
