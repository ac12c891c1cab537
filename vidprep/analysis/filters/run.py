"""The temporal filters of a file of weights, or of each epoch of a training: tables, numbers and figures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from vidprep.analysis.checkpoints import read_epochs
from vidprep.analysis.files import remove_earlier, write_figure, write_json, write_table
from vidprep.analysis.filters.figures import (
    PLANES,
    layers_figure,
    sphere_figure,
    stages_figure,
    versus_figure,
)
from vidprep.analysis.filters.growth import growth_rows, with_movement
from vidprep.analysis.filters.measure import Matrix, count_filters, filter_table
from vidprep.analysis.filters.summary import summarise_filters
from vidprep.analysis.growth_figures import filter_growth_figure
from vidprep.model.weight_files import read_weights

OnStep = Callable[[int, int, str], object]


def analyse_filters(
    out_dir: Path,
    *,
    checkpoint: Path | None = None,
    run: Path | None = None,
    matrix: Matrix = "filter",
    versus: Path | None = None,
    on_step: OnStep = lambda done, total, what: None,
) -> dict[str, Any]:
    """Find the primary temporal filters of a network and write a table, a summary and figures.

    Writes filters.parquet, summary.json, sphere.png, stages.png and layers-*.png, and for a second file
    versus.png and filters-versus.parquet. For a run, these are about the last epoch versus the first, and
    growth.parquet, growth.json and growth.png show every epoch.

    Args:
        out_dir: Folder of these files.
        checkpoint: A file of 3D weights; either this or `run`.
        run: Folder of a training.
        matrix: One filter per output channel ("filter"), or per pair of channels ("pair").
        versus: Another file, drawn beside the first.
        on_step: Called with the number of checkpoints done, the number in all, and the name of the last one.

    Returns:
        The content of summary.json.

    Raises:
        CheckpointError: If weights are unusable.
        HarnessError: If the folder is no run.
        ValueError: If not exactly one of `checkpoint` and `run` is given, or `versus` beside a run.
    """
    if (checkpoint is None) == (run is None):
        raise ValueError("Give either a checkpoint or a run.")
    if run:
        if versus:
            raise ValueError("A run's last epoch is compared with its first; versus is for files.")
        analysed = _analyse_run(run, matrix, out_dir, on_step)
    else:
        paths = [path for path in (checkpoint, versus) if path]
        analysed = []
        for path in paths:
            analysed.append(_analyse(path.name, path, matrix))
            on_step(len(analysed), len(paths), path.name)
        if (out_dir / "growth.parquet").exists():  # else growth.json is of an effective receptive field
            remove_earlier(out_dir, ["growth.*"])
    return _write(analysed, matrix, out_dir)


@dataclass(frozen=True)
class Analysed:
    """The filters of one file of weights.

    Attributes:
        name: Name of the network, for figures.
        path: Path of the file.
        table: From `filter_table`.
        num_filters: Number of filters of each layer, including those that are all zero.
    """

    name: str
    path: Path
    table: pd.DataFrame
    num_filters: dict[str, int]

    def summarise(self) -> dict[str, Any]:
        """Return the file's path, and its filters in a few numbers."""
        return {"checkpoint": str(self.path)} | summarise_filters(self.table, self.num_filters)


def _analyse_run(run: Path, matrix: Matrix, out_dir: Path, on_step: OnStep) -> list[Analysed]:
    """Write the growth files; return the last checkpoint and, if there are several, the first."""
    paths, name = read_epochs(run), run.resolve().name
    summaries: dict[int, dict[str, Any]] = {}
    ends: list[Analysed] = []
    for epoch, path in paths.items():
        one = _analyse(f"{name}, epoch {epoch}", path, matrix)
        first = ends[0] if ends else one
        one = replace(one, table=with_movement(one.table, first.table, str(path)))
        ends = [*ends[:1], one]
        summaries[epoch] = one.summarise()
        on_step(len(summaries), len(paths), f"epoch {epoch}")
    _write_growth(summaries, {"run": str(run), "matrix": matrix}, name, out_dir)
    return ends[::-1]


def _analyse(name: str, path: Path, matrix: Matrix) -> Analysed:
    file = read_weights(path)
    return Analysed(name, path, filter_table(file, matrix), count_filters(file, matrix))


def _write_growth(
    summaries: dict[int, dict[str, Any]], facts: dict[str, Any], title: str, out_dir: Path
) -> None:
    rows = pd.DataFrame([row for epoch, summary in summaries.items() for row in growth_rows(epoch, summary)])
    epochs = [{"epoch": epoch} | summary for epoch, summary in summaries.items()]
    write_table(rows, out_dir / "growth.parquet")
    write_figure(filter_growth_figure(rows, title), out_dir / "growth.png", dpi=300)
    write_json(facts | {"epochs": epochs}, out_dir / "growth.json")


def _write(analysed: list[Analysed], matrix: Matrix, out_dir: Path) -> dict[str, Any]:
    one, *others = analysed
    remove_earlier(out_dir, ["summary.json", "versus.png", "filters-versus.parquet"])
    write_table(one.table, out_dir / "filters.parquet")
    _draw(one.table, out_dir, one.name)
    summary = {"matrix": matrix} | one.summarise()
    for other in others:
        write_table(other.table, out_dir / "filters-versus.parquet")
        _draw_versus(one, other, out_dir)
        summary["versus"] = other.summarise()
    write_json(summary, out_dir / "summary.json")
    return summary


def _draw(table: pd.DataFrame, out_dir: Path, title: str) -> None:
    names = ("average", "first", "second")
    write_figure(sphere_figure(table, title), out_dir / "sphere.png")
    write_figure(stages_figure(table, title), out_dir / "stages.png")
    for across, up in PLANES:
        figure = layers_figure(table, (across, up), title)
        write_figure(figure, out_dir / f"layers-{names[across]}-{names[up]}.png")


def _draw_versus(one: Analysed, other: Analysed, out_dir: Path) -> None:
    names = [one.name, other.name]
    figure = versus_figure([one.table, other.table], names, " and ".join(names))
    write_figure(figure, out_dir / "versus.png")
