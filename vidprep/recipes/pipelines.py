"""Pipeline files: find, read, override, print."""

import re
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from vidprep.errors import RecipeError
from vidprep.recipes.dataset_file import DatasetManifest
from vidprep.recipes.manifests import read_dataset_file
from vidprep.recipes.recipe import Recipe
from vidprep.recipes.resources import resource_dir, resource_names
from vidprep.recipes.toml_models import nearest, read_toml, validate

_VIEWS = re.compile(r"(\d+)x(\d+)")


def pipeline_names() -> list[str]:
    """Return the names of the pipelines that come with vidprep."""
    return resource_names("pipelines")


def read_pipeline(name: str, overrides: list[str] | None = None) -> Recipe:
    """Read a pipeline.

    Args:
        name: One of `pipeline_names()`, or the path of a TOML file: a pipeline, or a dataset file, whose
            videos are then stored with the defaults.
        overrides: `table.key=value` settings, checked like the file; a value is TOML, or else plain text.

    Raises:
        RecipeError: If there is no such pipeline, or a key or value of it is wrong.
    """
    path = _find(name)
    values = read_toml(path)
    if is_dataset_file(values):
        values = _of_dataset(read_dataset_file(path))
    else:
        values = _with_dataset_file(values, path.parent)
    _set_all(values, overrides or [])
    text = "" if overrides else path.read_text(encoding="utf-8")  # a value of --set has no line in the file
    return validate(Recipe, values, origin=_origin(path, overrides), text=text)


def is_dataset_file(values: dict[str, Any]) -> bool:
    """Tell whether a TOML file with these values is a dataset file rather than a pipeline."""
    return "lists" in values and "dataset" not in values


def _of_dataset(dataset: DatasetManifest) -> dict[str, Any]:
    stage = {"name": dataset.name, "definition": dataset.model_dump(mode="json")}
    return {"name": dataset.name, "title": dataset.title, "dataset": stage}


def _with_dataset_file(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Put the dataset of `dataset.file`, a path beside the pipeline file, into the recipe."""
    stage = values.get("dataset")
    if not isinstance(stage, dict) or "file" not in stage:
        return values
    dataset = read_dataset_file(folder / str(stage["file"]))
    rest = {key: value for key, value in stage.items() if key != "file"}
    return values | {"dataset": {"name": dataset.name, **rest, "definition": dataset.model_dump(mode="json")}}


def override_recipe(recipe: Recipe, overrides: list[str] | None, *, origin: str) -> Recipe:
    """Return a recipe with some of its keys changed; see `read_pipeline`.

    Args:
        origin: Where the recipe comes from; an error message starts with it.

    Raises:
        RecipeError: If a key or value is wrong.
    """
    values = recipe.model_dump(mode="json", exclude_none=True)
    _set_all(values, overrides or [])
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


def _set_all(values: dict[str, Any], overrides: list[str]) -> None:
    if "model.factory" in overridden_keys(overrides):
        values["model"] = {}  # the keys of the old network do not fit the new one
    for override in overrides:
        _set(values, override)


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


def view_counts(views: str | None) -> list[str]:
    """Return "3x10" as settings of a recipe: 3 crops, 10 clips.

    Raises:
        ValueError: If it has another form.
    """
    if views is None:
        return []
    match = _VIEWS.fullmatch(views)
    if match is None:
        raise ValueError(f"{views!r} is not of the form CROPSxCLIPS, e.g. 3x10.")
    return [f"eval_views.num_crops={match[1]}", f"eval_views.num_clips={match[2]}"]
