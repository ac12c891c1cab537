"""Pipeline files: find, read, override, print."""

import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from vidprep.errors import RecipeError
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.resources import resource_dir, resource_names
from vidprep.recipes.toml_models import nearest, read_toml, validate


def pipeline_names() -> list[str]:
    """Return the names of the pipelines that come with vidprep."""
    return resource_names("pipelines")


def read_pipeline(name: str, overrides: list[str] | None = None) -> Recipe:
    """Read a pipeline.

    Args:
        name: One of `pipeline_names()`, or the path of a TOML file.
        overrides: `table.key=value` settings, checked like the file; a value is TOML, or else plain text.

    Raises:
        RecipeError: If there is no such pipeline, or a key or value of it is wrong.
    """
    path = _find(name)
    values = read_toml(path)
    for override in overrides or []:
        _set(values, override)
    return validate(Recipe, values, origin=_origin(path, overrides))


def override_recipe(recipe: Recipe, overrides: list[str] | None, *, origin: str) -> Recipe:
    """Return a recipe with some of its keys set anew; see `read_pipeline`.

    Args:
        origin: Where the recipe comes from; an error message starts with it.

    Raises:
        RecipeError: If a key or value is wrong.
    """
    values = recipe.model_dump(mode="json", exclude_none=True)
    for override in overrides or []:
        _set(values, override)
    return validate(Recipe, values, origin=_origin(origin, overrides))


def overridden_keys(overrides: list[str] | None) -> set[str]:
    """Return the `table.key` names that overrides set."""
    return {override.partition("=")[0].strip() for override in overrides or []}


def format_recipe(recipe: Recipe) -> str:
    """Return a resolved recipe, defaults included, as TOML."""
    return tomli_w.dumps(recipe.model_dump(mode="json", exclude_none=True))


def _find(name: str) -> Path:
    if name.endswith(".toml"):
        if not Path(name).is_file():
            raise RecipeError(f"No pipeline file at {name}.")
        return Path(name)
    if name not in pipeline_names():
        known = pipeline_names()
        raise RecipeError(
            f"Unknown pipeline '{name}'.{nearest(name, known)} "
            f"Known: {', '.join(known)}, or the path of a TOML file."
        )
    return resource_dir("pipelines") / f"{name}.toml"


def _origin(path: Path | str, overrides: list[str] | None) -> str:
    return f"{path} with --set {' --set '.join(overrides)}" if overrides else str(path)


def _set(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override}: not of the form table.key=value, e.g. transcode.crf=20.")
    *tables, last = key.strip().split(".")
    for table in tables:
        values = values.setdefault(table, {})
        if not isinstance(values, dict):
            raise RecipeError(f"--set {override}: '{table}' is a value, not a table.")
    values[last] = _parse_value(text.strip())


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
