"""Read TOML into frozen pydantic models; errors name the key and the known key most like it."""

import difflib
import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from vidprep.errors import RecipeError

ModelT = TypeVar("ModelT", bound=BaseModel)


class Frozen(BaseModel):
    """A model that refuses unknown keys and cannot be changed after it was built."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def read_toml(path: Path) -> dict[str, Any]:
    """Read one TOML file.

    Raises:
        RecipeError: If it is no UTF-8 TOML; the message names file, line and column.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}.") from error


def validate(model: type[ModelT], values: dict[str, Any], *, origin: str, text: str = "") -> ModelT:
    """Build `model` from plain values.

    Args:
        origin: Where the values come from; every error message starts with it.
        text: The TOML that they were read from, so that a message can name the line, too.

    Raises:
        RecipeError: If a key is unknown or missing or a value does not fit; all problems in one message.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        known = dotted_keys(model)
        items = [item for item in error.errors() if not _is_consequence(item, error.errors())]
        lines = [_describe(dict(item), known, _place(origin, text, item["loc"])) for item in items]
        raise RecipeError("\n".join(lines)) from error


def line_of_key(text: str, key: tuple[str | int, ...]) -> int | None:
    """Return the line, counted from 1, that sets a key of a TOML file.

    Args:
        key: Such as ("lists", 0, "format"); a number is the place of a `[[lists]]` table.

    Returns:
        The line of the key; of the nearest table around it where that sets no such key; None for neither.
    """
    found: dict[int, int] = {}
    table: tuple[str | int, ...] = ()
    seen: Counter[str] = Counter()
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]", line):
            table = tuple(header[2].replace('"', "").split("."))
            if header[1] == "[[":
                table = (*table, seen[header[2]])
                seen[header[2]] += 1
            here = table
        elif setting := re.match(r"\s*([\w.\"-]+)\s*=", line):
            here = (*table, *setting[1].replace('"', "").split("."))
        else:
            continue
        if here == key[: len(here)]:
            found[len(here)] = number
    return found[max(found)] if found else None


def dotted_keys(model: type[BaseModel], prefix: str = "") -> list[str]:
    """Return every key of a model and its sub-models as `table.key`, in order."""
    keys = []
    for name, field in model.model_fields.items():
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                keys += dotted_keys(candidate, f"{prefix}{name}.")
                break
        else:
            keys.append(prefix + name)
    return keys


def nearest(word: str, known: list[str]) -> str:
    """Return ` Did you mean 'x'?` for the known word most like `word`, or an empty string."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean '{found[0]}'?" if found else ""


def _is_consequence(item: ErrorDetails, items: list[ErrorDetails]) -> bool:
    """Tell whether a list is too short for no other reason than that its items are wrong."""
    inside = [other for other in items if other["loc"][: len(item["loc"])] == item["loc"]]
    return item["type"] == "too_short" and len(inside) > 1


def _place(origin: str, text: str, key: tuple[str | int, ...]) -> str:
    line = line_of_key(text, key)
    return origin if line is None else f"{origin}, line {line}"


def _describe(item: dict[str, Any], known: list[str], origin: str) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{origin}: unknown key '{key}'.{nearest(key, known)}"
    if item["type"] == "missing":
        return f"{origin}: the key '{key}' is missing."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    if item["type"] == "value_error":
        return f"{origin}: {key + ': ' if key else ''}{message}."
    return f"{origin}: {key}: {message}, got {item['input']!r}."
