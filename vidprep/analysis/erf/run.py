"""Effective receptive fields of files of weights, or of the epochs of a training: numbers and figures."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vidprep.analysis.checkpoints import read_epochs
from vidprep.analysis.erf.checkpoint_fields import Settings, Target, common_field, measure_field
from vidprep.analysis.erf.figures import frames_figure, slice_figure, space_figure, time_figure
from vidprep.analysis.erf.measure import Neuron, check_neuron, middle_neuron
from vidprep.analysis.erf.summary import summarise_erf
from vidprep.analysis.files import remove_earlier, write_figure, write_json
from vidprep.analysis.growth_figures import erf_growth_figure
from vidprep.errors import CheckpointError
from vidprep.files import distinct_names
from vidprep.model.receptive_field import Field, map_shape
from vidprep.model.weights import load_i3d_resnet

OnDraw = Callable[[int, int, str], object]


def analyse_erf(
    out_dir: Path,
    *,
    checkpoint: Path | None = None,
    run: Path | None = None,
    versus: Sequence[Path] = (),
    every: int = 1,
    num_draws: int = 10,
    num_frames: int = 32,
    size: int = 224,
    neuron: Neuron | None = None,
    seed: int = 0,
    temporal_stride: bool = False,
    on_draw: OnDraw = lambda done, total, what: None,
) -> list[dict[str, Any]]:
    """Measure the effective receptive field of a neuron of the last feature map; write numbers and figures.

    Writes erf.npz, erf.json, time.png, space.png, slice.png and frames.png; for further files erf-2.npz and
    frames-2.png, and so on. For a run, erf.json and these figures are about the last epoch and the first;
    growth.json and growth.png show every epoch, whose fields are in epochs/. Finished draws and fields are
    kept: after a stop, the same call goes on.

    Args:
        out_dir: Folder of these files.
        checkpoint: A file of 3D weights; either this or `run`.
        run: Folder of a training.
        versus: Other files to compare with.
        every: Take each N-th checkpoint of a run, and the last.
        num_draws: Noise clips to average over.
        num_frames: Frames of a clip.
        size: Height and width of a clip in pixels.
        neuron: (t, h, w) in the last feature map, counted from 0; None: the middle one.
        seed: Seed of the noise.
        temporal_stride: Whether networks have temporal stride whose files do not say it.
        on_draw: Called with the number of draws made, the number in all, and the network of the last one.

    Returns:
        The numbers of each network, as in erf.json.

    Raises:
        CheckpointError: If weights are unusable, or the networks have different theoretical fields.
        HarnessError: If the folder is no run.
        ValueError: If the options do not fit each other, or there is no such neuron.
    """
    targets = _targets(checkpoint, run, versus, every, out_dir)
    theory = common_field([target.checkpoint for target in targets], temporal_stride)
    where = _place(targets[0].checkpoint, (num_frames, size, size), neuron, temporal_stride)
    settings = Settings((num_frames, size, size), where, num_draws, seed, temporal_stride)
    # Of a run, figures compare the two ends; fields of all epochs would be gigabytes in memory.
    shown = [targets[-1], *targets[:-1][:1]] if run else targets
    fields, facts = _measure(targets, shown, settings, theory, on_draw)
    _remove_earlier(run, out_dir)
    if run:
        _write_growth(run, facts, settings, out_dir)
    _write(fields, [facts[target.name] for target in shown], theory, where, out_dir)
    return list(facts.values())


def _targets(
    checkpoint: Path | None, run: Path | None, versus: Sequence[Path], every: int, out_dir: Path
) -> list[Target]:
    """Return the networks that are measured: the epochs of a run, or files."""
    if (checkpoint is None) == (run is None):
        raise ValueError("Give either a checkpoint or a run.")
    if run and versus:
        raise ValueError("A run's last epoch is compared with its first; versus is for files.")
    if run:
        return _epoch_targets(run, every, out_dir)
    return _file_targets([path for path in (checkpoint, *versus) if path], out_dir)


def _file_targets(paths: list[Path], out_dir: Path) -> list[Target]:
    return [
        Target(name, path, out_dir / ("erf.npz" if number == 1 else f"erf-{number}.npz"))
        for number, (name, path) in enumerate(distinct_names(paths).items(), start=1)
    ]


def _epoch_targets(run: Path, every: int, out_dir: Path) -> list[Target]:
    paths, name = read_epochs(run), run.resolve().name
    last = max(paths)
    chosen = [epoch for number, epoch in enumerate(paths) if number % every == 0 or epoch == last]
    folder = out_dir / "epochs"
    return [
        Target(f"{name}, epoch {epoch}", paths[epoch], folder / f"epoch-{epoch:04d}.npz", epoch)
        for epoch in chosen
    ]


def _place(checkpoint: Path, clip_shape: Neuron, neuron: Neuron | None, temporal_stride: bool) -> Neuron:
    shape = map_shape(load_i3d_resnet(checkpoint, temporal_stride=temporal_stride), clip_shape)
    where = neuron or middle_neuron(shape)
    check_neuron(where, shape)
    return where


def _measure(
    targets: list[Target], shown: list[Target], settings: Settings, theory: Field, on_draw: OnDraw
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
    """Return the fields to show and the numbers of all, by name."""
    fields: dict[str, np.ndarray] = {}
    facts: dict[str, dict[str, Any]] = {}
    num_draws = settings.num_draws
    total = num_draws * len(targets)
    for number, target in enumerate(targets):

        def tell(done: int, target: Target = target, before: int = number * num_draws) -> None:
            on_draw(before + done, total, f"{target.name}, draw {done} of {num_draws}")

        field = measure_field(target, settings, tell)
        facts[target.name] = _facts(target, field, settings, theory)
        if target in shown:
            fields[target.name] = field
    return {target.name: fields[target.name] for target in shown}, facts


def _facts(target: Target, field: np.ndarray, settings: Settings, theory: Field) -> dict[str, Any]:
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
    """Delete an earlier command's files, but no field: it took minutes, and its identity is checked."""
    remove_earlier(out_dir, ["erf.json", "frames-*.png"])
    if not run and not (out_dir / "growth.parquet").exists():  # which only `vidprep filters` writes
        remove_earlier(out_dir, ["growth.json", "growth.png"])


def _write_growth(run: Path, facts: dict[str, dict[str, Any]], settings: Settings, out_dir: Path) -> None:
    epochs = list(facts.values())
    growth = {"run": str(run), "num_draws": settings.num_draws, "seed": settings.seed, "epochs": epochs}
    write_json(growth, out_dir / "growth.json")
    figure = erf_growth_figure([each["epoch"] for each in epochs], epochs, run.resolve().name)
    write_figure(figure, out_dir / "growth.png", dpi=300)


def _write(
    fields: dict[str, np.ndarray],
    facts: list[dict[str, Any]],
    theory: Field,
    neuron: Neuron,
    out_dir: Path,
) -> None:
    for number, (name, field) in enumerate(fields.items(), start=1):
        ending = "" if number == 1 else f"-{number}"
        write_figure(frames_figure(name, field, theory, neuron), out_dir / f"frames{ending}.png")
    drawings = {"time": time_figure, "space": space_figure, "slice": slice_figure}
    for stem, draw in drawings.items():
        write_figure(draw(fields, theory, neuron), out_dir / f"{stem}.png")
    write_json(facts[0] | {"versus": facts[1:]}, out_dir / "erf.json")
