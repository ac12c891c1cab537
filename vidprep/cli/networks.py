"""`vidprep model`, `filters` and `erf`: look at networks."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidprep.cli.options import DatasetFile, OutDir, Overrides, RunDir, Weights3D, check_one_source

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.model.summary import Stage, Summary
    from vidprep.recipes.recipe import Recipe

_NEURON = typer.Option(metavar="T,H,W", help="Counted from 0.", show_default="the middle: 16,3,3")
_EVERY = typer.Option(min=1, metavar="N", help="Take each N-th checkpoint of a run, and the last.")


def model(
    name: Annotated[
        str | None,
        typer.Argument(help="A pipeline, e.g. mini_k400, or the path of a TOML file.", show_default="k400"),
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option("--classes", min=1, help="Classes.", show_default="the pipeline's")
    ] = None,
    num_frames: Annotated[
        int | None, typer.Option("--frames", min=1, help="Frames of a clip.", show_default="the pipeline's")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, help="Side of a crop in pixels.", show_default="the pipeline's")
    ] = None,
    dataset: DatasetFile = None,
    overrides: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the network: stages, shapes, parameters, multiply-accumulates, receptive field.

    The numbers are counted on the network itself, which is built without memory for its weights.
    """
    from rich.console import Console

    from vidprep.recipes.own_videos import choose_videos

    pipeline = name or (None if dataset else "k400")
    recipe = choose_videos(pipeline, dataset=dataset, overrides=overrides or ()).recipe
    num_classes = num_classes or _num_classes(recipe)
    if recipe.model.factory:
        _print_factory(recipe, num_classes, num_frames, size, as_json)
        return
    summaries = _summaries(recipe, num_classes, num_frames, size)
    if as_json:
        print(json.dumps({what: _model_as_json(summary) for what, summary in summaries.items()}, indent=2))
    else:
        _print_model(recipe, summaries, Console(highlight=False))


def _num_classes(recipe: "Recipe") -> int:
    from vidprep.recipes.classes import resolve_classes

    classes = resolve_classes(recipe.dataset)
    if not classes:
        raise typer.BadParameter(
            f"{recipe.dataset.name} takes its classes from its lists; say how many there are.",
            param_hint="--classes",
        )
    return len(classes)


def _print_factory(
    recipe: "Recipe", num_classes: int, num_frames: int | None, size: int | None, as_json: bool
) -> None:
    from vidprep.model.network import build_network, count_network

    network = build_network(recipe.model, num_classes)
    clip = recipe.train_clip
    side = size or clip.crop_size
    facts = count_network(network, (3, num_frames or clip.clip_len, side, side))
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    typer.echo(f"{recipe.model.title}, {_shape(facts['clip_shape'])} clips, {facts['num_classes']} logits")
    typer.echo(f"parameters: {facts['num_parameters']:,}")
    typer.echo(f"multiply-accumulates of a clip in convolutions and linear layers: {facts['num_macs']:,}")


def _summaries(
    recipe: "Recipe", num_classes: int, num_frames: int | None, size: int | None
) -> dict[str, "Summary"]:
    """Return the summaries for a training clip and, if no size was given, for an evaluation view."""
    import torch

    from vidprep.model import build_model
    from vidprep.model.summary import summarise

    with torch.device("meta"):
        network = build_model(recipe.model, num_classes)
    train, views = recipe.train_clip, recipe.eval_views
    sizes = {"clip": (num_frames or train.clip_len, size or train.crop_size)}
    if num_frames is None and size is None:
        sizes["view"] = (views.clip_len, views.crop_size)
    return {what: summarise(network, num_frames=t, size=side) for what, (t, side) in sizes.items()}


def _model_as_json(summary: "Summary") -> dict[str, Any]:
    return asdict(summary) | {"num_parameters": summary.num_parameters}


def _print_model(recipe: "Recipe", summaries: dict[str, "Summary"], console: "Console") -> None:
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
        table.add_row(*_stage_row(stage))
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


def _stage_row(stage: "Stage") -> list[str]:
    sees = [f"{axis.size:,}" for axis in stage.field[:2]] if stage.field else ["all", "all"]
    return [stage.name, _shape(stage.output_shape), f"{stage.num_parameters:,}", f"{stage.num_macs:,}", *sees]


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def filters(
    out_dir: OutDir,
    checkpoint: Weights3D = None,
    run: RunDir = None,
    matrix: Annotated[
        Literal["filter", "pair"],
        typer.Option(help="One filter per output channel, or per pair of output and input channel."),
    ] = "filter",
    versus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another file, drawn beside the first.")
    ] = None,
) -> None:
    """Find the primary temporal filter of every 3-tap kernel; write a table, a summary and figures.

    Writes filters.parquet, summary.json, sphere.png, stages.png, layers-*.png, and with --versus also
    versus.png and the second file's filters-versus.parquet. With --run, these are about the last epoch versus
    the first, and growth.parquet, growth.json and growth.png show every epoch.
    """
    from rich.console import Console

    from vidprep.cli.display import StepProgress

    check_one_source(checkpoint, run)
    if run and versus:
        raise typer.BadParameter("a run's last epoch is compared with its first.", param_hint="--versus")
    with StepProgress(0, "checkpoints", Console(stderr=True)) as progress:
        from vidprep.analysis.filters import analyse_filters

        summary = analyse_filters(
            out_dir, checkpoint=checkpoint, run=run, matrix=matrix, versus=versus, on_step=progress.update
        )
    _print_filters(summary, out_dir, Console(highlight=False))


def _print_filters(summary: dict[str, Any], out_dir: Path, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", box=None)
    for heading in ("filters", "zero", "average²", "1st²", "2nd²", "median angle", "first's share"):
        table.add_column(heading, justify="right")
    for stage in summary["stages"]:
        table.add_row(Text(stage["stage"]), *_filter_row(stage))  # a name is not markup
    table.add_row("all layers", *_filter_row(summary["all"]))
    if "versus" in summary:
        table.add_row("all, versus", *_filter_row(summary["versus"]["all"]))
    console.print(table)
    console.print(f"Table, summary and figures are in {out_dir}.", markup=False)


def _filter_row(facts: dict[str, Any]) -> list[str]:
    counts = [f"{facts['num_filters']:,}", f"{facts['num_zero']:,}"]
    if "mean_squared" not in facts:
        return counts
    squares = [f"{value:.3f}" for value in facts["mean_squared"].values()]
    return [*counts, *squares, f"{facts['median_angle_degrees']:.1f}°", f"{facts['mean_share']:.3f}"]


def erf(
    out_dir: OutDir,
    checkpoint: Weights3D = None,
    run: RunDir = None,
    every: Annotated[int | None, _EVERY] = None,
    num_draws: Annotated[int, typer.Option("--draws", min=1, help="Noise clips to average over.")] = 10,
    num_frames: Annotated[int, typer.Option("--frames", min=1, help="Frames of a clip.")] = 32,
    size: Annotated[int, typer.Option(min=1, help="Side of a clip in pixels.")] = 224,
    neuron: Annotated[str | None, _NEURON] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the noise.")] = 0,
    temporal_stride: Annotated[
        bool,
        typer.Option(
            "--temporal-stride",
            help="The network has strides in time (its file does not say whether it has).",
        ),
    ] = False,
    versus: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Another file to compare with; repeatable.")
    ] = None,
) -> None:
    """Measure the effective receptive field of a neuron of the last feature map; write numbers and figures.

    Writes erf.npz, erf.json, time.png, space.png, slice.png and frames.png; of further files erf-2.npz and
    frames-2.png, and so on. With --run, erf.json and these figures are about the last epoch and the first;
    growth.json and growth.png show every epoch, whose fields lie in epochs/. Finished draws and fields are
    kept: after a stop, the same command goes on.
    """
    from rich.console import Console

    from vidprep.cli.display import StepProgress

    check_one_source(checkpoint, run)
    _check_run_options(run, every, versus)
    place = _parse_neuron(neuron) if neuron else None
    with StepProgress(0, "draws", Console(stderr=True)) as progress:
        from vidprep.analysis.erf import analyse_erf

        try:
            facts = analyse_erf(
                out_dir,
                checkpoint=checkpoint,
                run=run,
                versus=versus or (),
                every=every or 1,
                num_draws=num_draws,
                num_frames=num_frames,
                size=size,
                neuron=place,
                seed=seed,
                temporal_stride=temporal_stride,
                on_draw=progress.update,
            )
        except ValueError as error:  # there is no such neuron
            raise typer.BadParameter(str(error), param_hint="--neuron") from error
    _print_fields(facts, out_dir)


def _check_run_options(run: Path | None, every: int | None, versus: list[Path] | None) -> None:
    if run and versus:
        raise typer.BadParameter("a run's last epoch is compared with its first.", param_hint="--versus")
    if every and not run:
        raise typer.BadParameter("chooses among the checkpoints of a --run.", param_hint="--every")


def _parse_neuron(neuron: str) -> tuple[int, int, int]:
    words = neuron.split(",")
    if len(words) != 3 or not all(word.strip().lstrip("-").isdigit() for word in words):
        raise typer.BadParameter(f"{neuron!r} is not of the form T,H,W, e.g. 16,3,3.", param_hint="--neuron")
    t, h, w = map(int, words)
    return t, h, w


def _print_fields(facts: list[dict[str, Any]], out_dir: Path) -> None:
    import resource

    for one in facts:
        t, y, x = one["centroid"]
        low, high = one["extent_frames"]
        typer.echo(
            f"{one['checkpoint']}: sigma {one['sigma_frames']:.2f} frames, frames {low:.1f} to {high:.1f} "
            f"(2 sigma), {one['frames_above']} frames and {one['pixels_above']:,} pixels above 4.55 %, "
            f"centroid ({t:.1f}, {y:.1f}, {x:.1f})"
        )
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    typer.echo(f"Peak memory {peak_gib:.1f} GiB. Numbers and figures are in {out_dir}.")
