"""Folders of raw videos: where they lie, and which split or class their names stand for."""

import os
import re
from pathlib import Path

# Whole words of a folder's name, so that train_256 and videos_val count; "training dog" is a class.
_SPLIT_OF_WORD = {
    "train": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "validation": "validation",
    "test": "test",
}
_WORD = re.compile(r"[a-z]+")


def class_folders(classes: tuple[str, ...]) -> dict[str, str]:
    """Map the letters and digits of each class name to the class."""
    return {letters_and_digits(name): name for name in classes}


def letters_and_digits(name: str) -> str:
    """Reduce a class name to its letters and digits, which all copies of a dataset agree on.

    massaging person's head, massaging_persons_head -> massagingpersonshead
    """
    return "".join(character for character in name.casefold() if character.isalnum())


def describe_folder(folder: str, class_of: dict[str, str]) -> tuple[str, str]:
    """Return the split and the class that a folder below a source stands for; the innermost name counts.

        train_256/massaging_persons_head -> ("train", "massaging person's head")

    Args:
        folder: Its path with `/` between the names, or "".
        class_of: What `class_folders` returns; empty for a dataset without class folders.

    Returns:
        "train", "validation", "test" or "" (none, or several at once), and a class or "".
    """
    split, name_of_class = "", ""
    for name in reversed(folder.split("/")):
        known = class_of.get(letters_and_digits(name), "")
        if known:
            name_of_class = name_of_class or known
        else:
            split = split or _split_of(name)
    return split, name_of_class


def _split_of(name: str) -> str:
    splits = {_SPLIT_OF_WORD[word] for word in _WORD.findall(name.lower()) if word in _SPLIT_OF_WORD}
    return splits.pop() if len(splits) == 1 else ""


def absolute(path: str | Path) -> str:
    """Return a path as an absolute one, which workers elsewhere understand; URLs stay as they are."""
    return str(path) if "://" in str(path) else str(Path(path).absolute())


def default_sources(dataset: str) -> list[str]:
    """Return the default folders of a dataset's raw videos: $VIDPREP_<NAME>, else data/<name>."""
    return sources_of_environment(dataset) or [f"data/{dataset}"]


def sources_of_environment(dataset: str) -> list[str]:
    """Return the folders that $VIDPREP_<NAME> names; empty if it is not set."""
    return [folder] if (folder := os.environ.get(f"VIDPREP_{dataset.upper()}")) else []
