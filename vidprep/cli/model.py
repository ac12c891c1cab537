"""`vidprep model`: the network of a pipeline, its cost and what it sees."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import Overrides

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.model.summary import Stage, Summary
    from vidprep.recipes.recipe import Recipe


def model(
    name: Annotated[
        str, typer.Argument(help="A pipeline, e.g. mini_k400, or the path of a TOML file.")
    ] = "k400",
    num_classes: Annotated[
        int | None, typer.Option("--classes", min=1, help="Classes.", show_default="the pipeline's")
    ] = None,
    num_frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="Frames of a clip.", show_default="the pipeline's")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of a crop in pixels.", show_default="the pipeline's")
    ] = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the network: stages, shapes, parameters, multiply-accumulates, receptive field.

    All of it is counted on the network itself, which is built without memory for its weights.
    """
    from rich.console import Console

    from vidprep.recipes.pipelines import read_pipeline

    recipe = read_pipeline(name, overrides)
    summaries = _summaries(recipe, num_classes, num_frames, size)
    if as_json:
        print(json.dumps({what: _as_json(summary) for what, summary in summaries.items()}, indent=2))
    else:
        _print(recipe, summaries, Console(highlight=False))


def _summaries(
    recipe: "Recipe", num_classes: int | None, num_frames: int | None, size: int | None
) -> dict[str, "Summary"]:
    """Return what a training clip and an evaluation view cost; only the clip if its size was given."""
    import torch

    from vidprep.model import build_model
    from vidprep.model.summary import summarise
    from vidprep.recipes.classes import resolve_classes

    with torch.device("meta"):
        network = build_model(recipe.model, num_classes or len(resolve_classes(recipe.dataset)))
    train, views = recipe.train_clip, recipe.eval_views
    sizes = {"clip": (num_frames or train.clip_len, size or train.crop_size)}
    if num_frames is None and size is None:
        sizes["view"] = (views.clip_len, views.crop_size)
    return {what: summarise(network, num_frames=t, size=side) for what, (t, side) in sizes.items()}


def _as_json(summary: "Summary") -> dict[str, Any]:
    return asdict(summary) | {"num_parameters": summary.num_parameters}


def _print(recipe: "Recipe", summaries: dict[str, "Summary"], console: "Console") -> None:
    from rich.table import Table

    clip = summaries["clip"]
    stride = "with" if recipe.model.temporal_stride else "without"
    console.print(
        f"I3D-ResNet-{recipe.model.depth} {stride} temporal stride, {_shape(clip.clip_shape)} clips"
    )
    table = Table("stage", "output", box=None)
    for heading in ("parameters", "MACs", "sees frames", "sees pixels"):
        table.add_column(heading, justify="right")
    for stage in clip.stages:
        table.add_row(*_row(stage))
    console.print(table)
    console.print(f"parameters: {clip.num_parameters:,}")
    for what, summary in summaries.items():
        shape = _shape(summary.clip_shape)
        console.print(f"convolution multiply-accumulates of a {what} ({shape}): {summary.num_conv_macs:,}")
    console.print(
        f"{clip.num_temporal_layers} layers with three temporal taps: "
        f"{clip.num_temporal_filters:,} filters, {clip.num_temporal_kernels:,} kernels"
    )
    t, y, x = clip.field
    console.print(f"receptive field of the last map: {t.size} frames, {y.size} x {x.size} pixels")


def _row(stage: "Stage") -> list[str]:
    sees = [f"{axis.size:,}" for axis in stage.field[:2]] if stage.field else ["all", "all"]
    return [stage.name, _shape(stage.output_shape), f"{stage.num_parameters:,}", f"{stage.num_macs:,}", *sees]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
