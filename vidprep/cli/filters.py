"""`vidprep filters`: which temporal filters a network has learned."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidprep.cli.analysis_files import remove_earlier, write_figure, write_json, write_table
from vidprep.cli.options import OutDir, RunDir, Weights3D
from vidprep.cli.runs import check_one_source, read_epochs

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

Matrix = Literal["filter", "pair"]


@dataclass(frozen=True)
class Analysed:
    """The filters of one file of weights.

    Attributes:
        name: Of the network, for figures.
        path: Of the file.
        table: From `filter_table`.
        num_filters: Of each layer, those that are all zero included.
    """

    name: str
    path: Path
    table: "pd.DataFrame"
    num_filters: dict[str, int]

    def summarise(self) -> dict[str, Any]:
        """Return the file's path, and its filters in a few numbers."""
        from vidprep.analysis.filters.summary import summarise_filters

        return {"checkpoint": str(self.path)} | summarise_filters(self.table, self.num_filters)


def filters(
    out_dir: OutDir,
    checkpoint: Weights3D = None,
    run: RunDir = None,
    matrix: Annotated[
        Matrix,
        typer.Option(help="One filter per output channel, or per pair of output and input channel."),
    ] = "filter",
    versus: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Another file, drawn beside the first.")
    ] = None,
) -> None:
    """Find the primary temporal filter of every 3-tap kernel; write a table, a summary and figures.

    Writes filters.parquet, summary.json, sphere.png, stages.png, layers-*.png, and with --versus also
    versus.png and the second file's filters-versus.parquet. With --run, these are about the last epoch versus
    the first, and growth.parquet, growth.json and growth.png tell of every epoch.
    """
    check_one_source(checkpoint, run)
    if run:
        if versus:
            raise typer.BadParameter("a run's last epoch is compared with its first.", param_hint="--versus")
        analysed = _analyse_run(run, matrix, out_dir)
    else:
        analysed = [_analyse_file(path, matrix) for path in (checkpoint, versus) if path]
        if (out_dir / "growth.parquet").exists():  # else growth.json is of `vidprep erf`
            remove_earlier(out_dir, ["growth.*"])
    _write(analysed, matrix, out_dir)


def _analyse_file(path: Path, matrix: Matrix) -> Analysed:
    from rich.console import Console
    from rich.text import Text  # names are not markup

    with Console(stderr=True).status(Text(f"reading {path}")) as status:
        return _analyse(path.name, path, matrix, on_layer=lambda layer: status.update(Text(layer)))


def _analyse_run(run: Path, matrix: Matrix, out_dir: Path) -> list[Analysed]:
    """Write what changes over the epochs; return the last checkpoint and, where it is another, the first."""
    from rich.console import Console

    from vidprep.analysis.filters.growth import with_movement
    from vidprep.cli.progress import StepProgress

    paths, name = read_epochs(run), run.resolve().name
    summaries: dict[int, dict[str, Any]] = {}
    ends: list[Analysed] = []
    with StepProgress(len(paths), "checkpoints", Console(stderr=True)) as progress:
        for epoch, path in paths.items():
            one = _analyse(f"{name}, epoch {epoch}", path, matrix)
            first = ends[0] if ends else one
            one = replace(one, table=with_movement(one.table, first.table, str(path)))
            ends = [*ends[:1], one]
            summaries[epoch] = one.summarise()
            progress.step(len(summaries), f"epoch {epoch}")
    _write_growth(summaries, {"run": str(run), "matrix": matrix}, name, out_dir)
    return ends[::-1]


def _analyse(
    name: str, path: Path, matrix: Matrix, on_layer: Callable[[str], None] | None = None
) -> Analysed:
    from vidprep.analysis.filters.measure import count_filters, filter_table
    from vidprep.model.weight_files import read_weights

    file = read_weights(path)
    return Analysed(name, path, filter_table(file, matrix, on_layer=on_layer), count_filters(file, matrix))


def _write_growth(
    summaries: dict[int, dict[str, Any]], facts: dict[str, Any], title: str, out_dir: Path
) -> None:
    import pandas as pd

    from vidprep.analysis.filters.growth import growth_rows
    from vidprep.analysis.growth_figures import filter_growth_figure

    rows = pd.DataFrame([row for epoch, summary in summaries.items() for row in growth_rows(epoch, summary)])
    epochs = [{"epoch": epoch} | summary for epoch, summary in summaries.items()]
    write_table(rows, out_dir / "growth.parquet")
    write_figure(filter_growth_figure(rows, title), out_dir / "growth.png", dpi=300)
    write_json(facts | {"epochs": epochs}, out_dir / "growth.json")


def _write(analysed: list[Analysed], matrix: Matrix, out_dir: Path) -> None:
    from rich.console import Console

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
    _print(summary, out_dir, Console(highlight=False))


def _draw(table: "pd.DataFrame", out_dir: Path, title: str) -> None:
    from vidprep.analysis.filters.figures import PLANES, layers_figure, sphere_figure, stages_figure

    names = ("average", "first", "second")
    write_figure(sphere_figure(table, title), out_dir / "sphere.png")
    write_figure(stages_figure(table, title), out_dir / "stages.png")
    for across, up in PLANES:
        figure = layers_figure(table, (across, up), title)
        write_figure(figure, out_dir / f"layers-{names[across]}-{names[up]}.png")


def _draw_versus(one: Analysed, other: Analysed, out_dir: Path) -> None:
    from vidprep.analysis.filters.figures import versus_figure

    names = [one.name, other.name]
    figure = versus_figure([one.table, other.table], names, " and ".join(names))
    write_figure(figure, out_dir / "versus.png")


def _print(summary: dict[str, Any], out_dir: Path, console: "Console") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", box=None)
    for heading in ("filters", "zero", "average²", "1st²", "2nd²", "median angle", "first's share"):
        table.add_column(heading, justify="right")
    for stage in summary["stages"]:
        table.add_row(Text(stage["stage"]), *_row(stage))  # a name is not markup
    table.add_row("all layers", *_row(summary["all"]))
    if "versus" in summary:
        table.add_row("all, versus", *_row(summary["versus"]["all"]))
    console.print(table)
    console.print(f"Table, summary and figures are in {out_dir}.", markup=False)


def _row(facts: dict[str, Any]) -> list[str]:
    counts = [f"{facts['num_filters']:,}", f"{facts['num_zero']:,}"]
    if "mean_squared" not in facts:
        return counts
    squares = [f"{value:.3f}" for value in facts["mean_squared"].values()]
    return [*counts, *squares, f"{facts['median_angle_degrees']:.1f}°", f"{facts['mean_share']:.3f}"]
