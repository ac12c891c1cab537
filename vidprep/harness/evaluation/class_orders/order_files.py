"""`--classes`: in which order a network from elsewhere gives its logits.

A file of names has one of these forms: a name on each line; a name and its number on each line (tab or
comma); a CSV with the header `id,name`; or JSON: a list of names, {name: number}, or {number: name}. Orders
that come with vidprep are given by name: `uniformer_k400`.
"""

import csv
import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vidprep.errors import CheckpointError
from vidprep.recipes.resources import resource_dir
from vidprep.recipes.toml_models import Frozen


class ClassOrder(Frozen):
    """Which logit of a network belongs to which class of the shards.

    Attributes:
        source: Path of the file, or the name of a shipped order.
        logits: For each class of the shards, in label order, the number of its logit.
        num_logits: Logits of the network; those of classes that the shards lack are left out.
    """

    source: str
    logits: tuple[int, ...]
    num_logits: int

    def sha256(self) -> str:
        """Return a hash of the order, to tell it from another."""
        return hashlib.sha256(json.dumps([self.num_logits, self.logits]).encode()).hexdigest()


def plain_name(name: str) -> str:
    """Return a class name without what differs from list to list: quotes, underscores, brackets, case.

    '"playing_trumpet"' -> 'playing trumpet';  'Pushing [something]' -> 'pushing something'
    """
    return " ".join(re.sub(r"[^0-9a-z]+", " ", re.sub(r"['\"’]", "", name.lower())).split())


def order_logits(source: str, classes: Sequence[str], num_logits: int) -> ClassOrder:
    """Return which logit belongs to which class of a shard set.

    Args:
        source: Path of a file of names, or the name of a shipped order.
        classes: Classes of the shards, in label order.
        num_logits: Logits of the network.

    Raises:
        CheckpointError: If the file cannot be read, has another number of names than the network has logits,
            a name twice, or lacks a class of the shards.
    """
    names = read_order(source)
    if len(names) != num_logits:
        raise CheckpointError(
            f"--classes {source} names {len(names)} classes, the network has {num_logits} logits. "
            "Give the list of its training, one name for each logit."
        )
    found = [plain_name(name) for name in names]
    if (twice := Counter(found).most_common(1)[0])[1] > 1:
        raise CheckpointError(
            f"--classes {source}: '{twice[0]}' is there {twice[1]} times. Remove one of them."
        )
    place = {name: number for number, name in enumerate(found)}
    lacking = [name for name in classes if plain_name(name) not in place]
    if lacking:
        raise CheckpointError(_lacking(source, lacking, len(classes), found))
    return ClassOrder(
        source=source, logits=tuple(place[plain_name(name)] for name in classes), num_logits=num_logits
    )


def _lacking(source: str, lacking: Sequence[str], num_classes: int, found: Sequence[str]) -> str:
    near = difflib.get_close_matches(plain_name(lacking[0]), found, 1)
    hint = f" (nearest: '{near[0]}')" if near else ""
    return (
        f"--classes {source} lacks {len(lacking)} of the {num_classes} classes of the shards, the first: "
        f"'{lacking[0]}'{hint}. Give the list of the dataset that the network was trained on."
    )


def read_order(source: str) -> list[str]:
    """Return class names in the order of a network's logits.

    Raises:
        CheckpointError: If there is no such file or shipped order, or it is of another form.
    """
    shipped = {path.stem: path for path in (resource_dir("manifests") / "class_orders").glob("*.txt")}
    path = Path(source) if Path(source).is_file() else shipped.get(source)
    if path is None:
        raise CheckpointError(
            f"--classes {source}: no such file, nor a shipped order ({', '.join(sorted(shipped))}). Give "
            "a file with one class name a line, in the order of the network's logits."
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        names = _of_json(json.loads(text)) if text.lstrip()[:1] in ("[", "{") else _of_lines(text)
    except (ValueError, TypeError, KeyError) as error:
        raise CheckpointError(
            f"--classes {source}: {error}. A file has one class name a line, or 'name<TAB>number' lines, or "
            "is JSON: a list of names, or names and their numbers."
        ) from error
    if not names:
        raise CheckpointError(f"--classes {source} holds no names.")
    return names


def _of_json(content: Any) -> list[str]:
    if isinstance(content, list):
        return [str(name) for name in content]
    if all(isinstance(number, int) for number in content.values()):
        return _by_number((number, name) for name, number in content.items())
    return _by_number((int(number), str(name)) for number, name in content.items())


def _of_lines(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    if lines and lines[0].replace(" ", "") == "id,name":
        return _by_number((int(row["id"]), row["name"]) for row in csv.DictReader(lines))
    numbered = [re.fullmatch(r"(.+?)\s*[\t,]\s*(\d+)\s*", line) for line in lines]
    if all(numbered):
        return _by_number((int(match[2]), match[1]) for match in numbered if match)
    return [line.strip() for line in lines]


def _by_number(pairs: Iterable[tuple[int, str]]) -> list[str]:
    ordered = sorted(pairs)
    if [number for number, _ in ordered] != list(range(len(ordered))):
        raise ValueError("its numbers do not run from 0 on without gaps")
    return [name for _, name in ordered]
