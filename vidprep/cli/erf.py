"""`vidprep erf`: which part of a clip a neuron really looks at."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np

    from vidprep.analysis.erf import Neuron
    from vidprep.model import I3DResNet
    from vidprep.model.receptive_field import Field

_NEURON = typer.Option(metavar="T,H,W", help="Counted from 0.", show_default="the middle: 16,3,3")


def erf(
    checkpoint: Annotated[Path, typer.Option("--checkpoint", metavar="FILE", help="A file of 3D weights.")],
    out_dir: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")],
    num_draws: Annotated[int, typer.Option("--draws", min=1, help="Noise clips to average over.")] = 10,
    num_frames: Annotated[int, typer.Option("--frames", min=1, help="Frames of a clip.")] = 32,
    size: Annotated[int, typer.Option(min=1, help="Side of a clip in pixels.")] = 224,
    neuron: Annotated[str | None, _NEURON] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the noise.")] = 0,
    temporal_stride: Annotated[
        bool, typer.Option("--temporal-stride", help="The network has it, and the file does not say so.")
    ] = False,
    versus: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Another file to compare with; repeatable.")
    ] = None,
) -> None:
    """Measure the effective receptive field of a neuron of the last feature map; write numbers and figures.

    Writes erf.npz, erf.json, time.png, space.png, slice.png and frames.png; of further files erf-2.npz and
    frames-2.png, and so on. Finished draws are kept until the end: the same command goes on after a stop.
    """
    clip_shape = (num_frames, size, size)
    paths = [checkpoint, *(versus or [])]
    networks = [_network(path, temporal_stride) for path in paths]
    theory = _common_theory(paths, networks)
    where = _place(networks[0], clip_shape, neuron)
    out_dir.mkdir(parents=True, exist_ok=True)
    settings = [clip_shape, where, seed, temporal_stride]
    kept_paths = [_kept_path(out_dir, path, settings) for path in paths]
    fields: dict[str, np.ndarray] = {}
    facts: list[dict[str, Any]] = []
    for path, network, kept_path in zip(paths, networks, kept_paths, strict=True):
        field = _measure(network, clip_shape, where, num_draws, seed, kept_path)
        facts.append(_facts(path, field, where, theory) | {"num_draws": num_draws, "seed": seed})
        fields[path.name if path.name not in fields else str(path)] = field
    _write(out_dir, fields, facts, theory, where)
    for kept_path in kept_paths:
        kept_path.unlink(missing_ok=True)
    _print(facts, out_dir)


def _network(path: Path, temporal_stride: bool) -> "I3DResNet":
    from vidprep.model.weights import load_network

    return load_network(path, temporal_stride=temporal_stride)


def _common_theory(paths: list[Path], networks: list["I3DResNet"]) -> "Field":
    """Return the theoretical receptive field, which has to be the same for all that are compared."""
    from vidprep.errors import CheckpointError
    from vidprep.model.receptive_field import receptive_fields

    fields = [list(receptive_fields(network).values())[-1] for network in networks]
    for path, field in zip(paths, fields, strict=True):
        if field != fields[0]:
            sizes = ["x".join(str(axis.size) for axis in each) for each in (field, fields[0])]
            raise CheckpointError(
                f"{path}: its theoretical receptive field is {sizes[0]}, that of {paths[0]} is {sizes[1]} or "
                "moves in other steps. Compare networks of one depth and temporal stride."
            )
    return fields[0]


def _place(network: "I3DResNet", clip_shape: "Neuron", neuron: str | None) -> "Neuron":
    from vidprep.analysis.erf import FeatureMap, check_neuron, map_shape, middle_neuron

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


def _kept_path(out_dir: Path, path: Path, settings: list[Any]) -> Path:
    """Return where draws are kept: a name that follows from the weights and from all that decides a draw."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
    digest.update(repr(settings).encode())
    return out_dir / f"draws-{digest.hexdigest()[:16]}.npz"


def _measure(
    network: "I3DResNet", clip_shape: "Neuron", neuron: "Neuron", num_draws: int, seed: int, kept_path: Path
) -> "np.ndarray":
    from rich.console import Console
    from rich.progress import Progress

    from vidprep.analysis.erf import FeatureMap, Kept, measure_erf

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("draws", total=num_draws)
        return measure_erf(
            FeatureMap(network),
            clip_shape,
            neuron,
            num_draws=num_draws,
            seed=seed,
            kept=Kept(kept_path, kept_path.stem),
            on_draw=lambda done, _: progress.update(bar, completed=done),
        )


def _facts(path: Path, field: "np.ndarray", neuron: "Neuron", theory: "Field") -> dict[str, Any]:
    from vidprep.analysis.erf_summary import summarise_erf

    intervals = [axis.interval(index) for axis, index in zip(theory, neuron, strict=True)]
    centre = [axis.centre(index) for axis, index in zip(theory, neuron, strict=True)]
    return {
        "checkpoint": str(path),
        "clip_shape": list(field.shape),
        "neuron": list(neuron),
        "theoretical_field": {"first_and_last": intervals, "centre": centre},
    } | summarise_erf(field)


def _write(
    out_dir: Path,
    fields: dict[str, "np.ndarray"],
    facts: list[dict[str, Any]],
    theory: "Field",
    neuron: "Neuron",
) -> None:
    import numpy as np

    from vidprep.analysis.erf_figures import frames_figure, slice_figure, space_figure, time_figure

    for number, (name, field) in enumerate(fields.items(), start=1):
        ending = "" if number == 1 else f"-{number}"
        np.savez_compressed(out_dir / f"erf{ending}.npz", erf=field)
        frames_figure(name, field, theory, neuron).savefig(out_dir / f"frames{ending}.png", dpi=200)
    drawings = {"time": time_figure, "space": space_figure, "slice": slice_figure}
    for stem, draw in drawings.items():
        draw(fields, theory, neuron).savefig(out_dir / f"{stem}.png", dpi=200)
    content = facts[0] | {"versus": facts[1:]}
    (out_dir / "erf.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


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
