"""`vidprep erf`: which part of a clip a neuron really looks at."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.analysis_files import remove_earlier, write_figure, write_json
from vidprep.cli.erf_measure import Settings, Target
from vidprep.cli.options import OutDir, RunDir, Weights3D
from vidprep.cli.runs import check_one_source, read_epochs

if TYPE_CHECKING:
    import numpy as np

    from vidprep.analysis.erf.measure import Neuron
    from vidprep.model.receptive_field import Field

_NEURON = typer.Option(metavar="T,H,W", help="Counted from 0.", show_default="the middle: 16,3,3")
_EVERY = typer.Option(min=1, metavar="N", help="Of a run's checkpoints each N-th, and the last.")


def erf(
    out_dir: OutDir,
    checkpoint: Weights3D = None,
    run: RunDir = None,
    every: Annotated[int | None, _EVERY] = None,
    num_draws: Annotated[int, typer.Option("--draws", min=1, help="Noise clips to average over.")] = 10,
    num_frames: Annotated[int, typer.Option("--frames", min=1, help="Frames of a clip.")] = 32,
    size: Annotated[int, typer.Option(min=1, help="Side of a clip in pixels.")] = 224,
    neuron: Annotated[str | None, _NEURON] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the noise.")] = 0,
    temporal_stride: Annotated[
        bool, typer.Option("--temporal-stride", help="The network has it, and the file does not say so.")
    ] = False,
    versus: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Another file to compare with; repeatable.")
    ] = None,
) -> None:
    """Measure the effective receptive field of a neuron of the last feature map; write numbers and figures.

    Writes erf.npz, erf.json, time.png, space.png, slice.png and frames.png; of further files erf-2.npz and
    frames-2.png, and so on. With --run, erf.json and these figures are about the last epoch and the first;
    growth.json and growth.png tell of every epoch, whose fields lie in epochs/. Finished draws and fields are
    kept: after a stop, the same command goes on.
    """
    check_one_source(checkpoint, run)
    _check_run_options(run, every, versus)
    if run:
        targets = _epoch_targets(run, every or 1, out_dir)
    else:
        targets = _file_targets([path for path in (checkpoint, *(versus or [])) if path], out_dir)
    theory = _theory(targets, temporal_stride)
    where = _place(targets[0].checkpoint, (num_frames, size, size), neuron, temporal_stride)
    settings = Settings((num_frames, size, size), where, num_draws, seed, temporal_stride)
    # Of a run, figures compare the two ends; fields of all epochs would be gigabytes in memory.
    shown = [targets[-1], *targets[:-1][:1]] if run else targets
    fields, facts = _measure(targets, shown, settings, theory)
    _remove_earlier(run, out_dir)
    if run:
        _write_growth(run, facts, settings, out_dir)
    _write(fields, [facts[target.name] for target in shown], theory, where, out_dir)
    _print(list(facts.values()), out_dir)


def _check_run_options(run: Path | None, every: int | None, versus: list[Path] | None) -> None:
    if run and versus:
        raise typer.BadParameter("a run's last epoch is compared with its first.", param_hint="--versus")
    if every and not run:
        raise typer.BadParameter("chooses among the checkpoints of a --run.", param_hint="--every")


def _file_targets(paths: list[Path], out_dir: Path) -> list[Target]:
    paths = list(dict.fromkeys(paths))
    file_names = [path.name for path in paths]
    targets = []
    for number, path in enumerate(paths, start=1):
        name = path.name if file_names.count(path.name) == 1 else str(path)
        targets.append(Target(name, path, out_dir / ("erf.npz" if number == 1 else f"erf-{number}.npz")))
    return targets


def _epoch_targets(run: Path, every: int, out_dir: Path) -> list[Target]:
    paths, name = read_epochs(run), run.resolve().name
    last = max(paths)
    chosen = [epoch for number, epoch in enumerate(paths) if number % every == 0 or epoch == last]
    folder = out_dir / "epochs"
    return [
        Target(f"{name}, epoch {epoch}", paths[epoch], folder / f"epoch-{epoch:04d}.npz", epoch)
        for epoch in chosen
    ]


def _theory(targets: list[Target], temporal_stride: bool) -> "Field":
    from rich.console import Console

    from vidprep.cli.erf_measure import common_field

    with Console(stderr=True).status("reading the networks"):
        return common_field([target.checkpoint for target in targets], temporal_stride)


def _place(checkpoint: Path, clip_shape: "Neuron", neuron: str | None, temporal_stride: bool) -> "Neuron":
    from vidprep.analysis.erf.measure import FeatureMap, check_neuron, map_shape, middle_neuron
    from vidprep.model.weights import load_network

    network = load_network(checkpoint, temporal_stride=temporal_stride)
    shape = map_shape(FeatureMap(network), clip_shape)
    where = _parse(neuron) if neuron else middle_neuron(shape)
    try:
        check_neuron(where, shape)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--neuron") from error
    return where


def _parse(neuron: str) -> "Neuron":
    words = neuron.split(",")
    if len(words) != 3 or not all(word.strip().lstrip("-").isdigit() for word in words):
        raise typer.BadParameter(f"{neuron!r} is not of the form T,H,W, e.g. 16,3,3.", param_hint="--neuron")
    t, h, w = map(int, words)
    return t, h, w


def _measure(
    targets: list[Target], shown: list[Target], settings: Settings, theory: "Field"
) -> tuple[dict[str, "np.ndarray"], dict[str, dict[str, Any]]]:
    """Return the fields to show and the numbers of all, by name."""
    from rich.console import Console

    from vidprep.cli.erf_measure import measure_field
    from vidprep.cli.progress import StepProgress

    fields: dict[str, np.ndarray] = {}
    facts: dict[str, dict[str, Any]] = {}
    num_draws = settings.num_draws
    with StepProgress(num_draws * len(targets), "draws", Console(stderr=True)) as progress:
        for number, target in enumerate(targets):
            field = measure_field(target, settings, number * num_draws, progress)
            facts[target.name] = _facts(target, field, settings, theory)
            if target in shown:
                fields[target.name] = field
    return {target.name: fields[target.name] for target in shown}, facts


def _facts(target: Target, field: "np.ndarray", settings: Settings, theory: "Field") -> dict[str, Any]:
    from vidprep.analysis.erf.summary import summarise_erf
    from vidprep.errors import CheckpointError

    neuron = settings.neuron
    intervals = [axis.interval(index) for axis, index in zip(theory, neuron, strict=True)]
    centre = [axis.centre(index) for axis, index in zip(theory, neuron, strict=True)]
    try:
        summary = summarise_erf(field)
    except ValueError as error:
        raise CheckpointError(f"{target.checkpoint}: {error}") from error
    epoch = {} if target.epoch is None else {"epoch": target.epoch}
    return (
        epoch
        | {
            "checkpoint": str(target.checkpoint),
            "clip_shape": list(field.shape),
            "neuron": list(neuron),
            "theoretical_field": {"first_and_last": intervals, "centre": centre},
        }
        | summary
        | {"num_draws": settings.num_draws, "seed": settings.seed}
    )


def _remove_earlier(run: Path | None, out_dir: Path) -> None:
    """Delete what an earlier command told; fields stay, each takes minutes and knows what it is of."""
    remove_earlier(out_dir, ["erf.json", "frames-*.png"])
    if not run and not (out_dir / "growth.parquet").exists():  # which only `vidprep filters` writes
        remove_earlier(out_dir, ["growth.json", "growth.png"])


def _write_growth(run: Path, facts: dict[str, dict[str, Any]], settings: Settings, out_dir: Path) -> None:
    from vidprep.analysis.growth_figures import erf_growth_figure

    epochs = list(facts.values())
    growth = {"run": str(run), "num_draws": settings.num_draws, "seed": settings.seed, "epochs": epochs}
    write_json(growth, out_dir / "growth.json")
    figure = erf_growth_figure([each["epoch"] for each in epochs], epochs, run.resolve().name)
    write_figure(figure, out_dir / "growth.png", dpi=300)


def _write(
    fields: dict[str, "np.ndarray"],
    facts: list[dict[str, Any]],
    theory: "Field",
    neuron: "Neuron",
    out_dir: Path,
) -> None:
    from vidprep.analysis.erf.figures import frames_figure, slice_figure, space_figure, time_figure

    for number, (name, field) in enumerate(fields.items(), start=1):
        ending = "" if number == 1 else f"-{number}"
        write_figure(frames_figure(name, field, theory, neuron), out_dir / f"frames{ending}.png")
    drawings = {"time": time_figure, "space": space_figure, "slice": slice_figure}
    for stem, draw in drawings.items():
        write_figure(draw(fields, theory, neuron), out_dir / f"{stem}.png")
    write_json(facts[0] | {"versus": facts[1:]}, out_dir / "erf.json")


def _print(facts: list[dict[str, Any]], out_dir: Path) -> None:
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
