"""Tell the split of a third-party tar by Energon's split.yaml, its name or its folder."""

import fnmatch
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from vidprep.errors import ShardError

_ENERGON = Path(".nv-meta/split.yaml")
# A whole word at the beginning of a name: train-00000-of-00010.tar, val_3.tar.
_IN_NAME = re.compile(r"(train|training|validation|valid|val|dev|test)(?![a-z])", re.IGNORECASE)
_SAME = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class SplitRule:
    """Tells the split of a tar.

    Attributes:
        energon: Names of the tars of each split in an Energon dataset, with wildcards; empty if it is none.
    """

    energon: dict[str, list[str]] = field(default_factory=dict)

    def split_of(self, name: str) -> str | None:
        """Return the split of a tar, or None for one that Energon's split.yaml leaves out.

        Args:
            name: Its path below the folder, e.g. `data/train-00000-of-00010.tar`.
        """
        if self.energon:
            found = (split for split, names in self.energon.items() if _matches(name, names))
            return next(found, None)
        *folders, file = name.split("/")
        if in_name := _IN_NAME.match(file):
            return _canonical(in_name[1])
        return "/".join(folders) or "train"


def read_split_rule(directory: Path) -> SplitRule:
    """Return the rule for the tars of a folder.

    Raises:
        ShardError: If Energon's split.yaml cannot be read.
    """
    path = directory / _ENERGON
    if not path.is_file():
        return SplitRule()
    try:
        parts = yaml.safe_load(path.read_text(encoding="utf-8"))["split_parts"]
        return SplitRule(
            {
                _canonical(str(split)): [one for name in names or [] for one in _expanded(str(name))]
                for split, names in parts.items()
            }
        )
    except (OSError, yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ShardError(
            f"{path} names no splits ({type(error).__name__}): `split_parts` has to list the tars of each. "
            "Run `energon prepare` again, or delete the file: then names and folders of the tars tell."
        ) from error


def _canonical(word: str) -> str:
    return _SAME.get(word.lower(), word.lower())


def _matches(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _expanded(name: str) -> list[str]:
    """Return the names that a name with {000..012} stands for."""
    found = _BRACES.search(name)
    if not found:
        return [name]
    first, last = found[1], found[2]
    numbers = range(int(first), int(last) + 1)
    return [
        one
        for number in numbers
        for one in _expanded(f"{name[: found.start()]}{number:0{len(first)}d}{name[found.end() :]}")
    ]
