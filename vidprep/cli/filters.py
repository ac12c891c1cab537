"""`vidprep filters`: which temporal filters a network has learned."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

Matrix = Literal["filter", "pair"]


def filters(
    weights: Annotated[Path, typer.Option("--checkpoint", metavar="FILE", help="A file of 3D weights.")],
    out_dir: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")],
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
    versus.png and the second file's filters-versus.parquet.
    """
    from rich.console import Console

    table, summary = _analyse(weights, matrix)
    out_dir.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out_dir / "filters.parquet", index=False)
    _draw(table, out_dir, weights.name)
    summaries = {"matrix": matrix, "checkpoint": str(weights)} | summary
    if versus:
        other, other_summary = _analyse(versus, matrix)
        other.to_parquet(out_dir / "filters-versus.parquet", index=False)
        _draw_versus([table, other], [weights.name, versus.name], out_dir)
        summaries["versus"] = {"checkpoint": str(versus)} | other_summary
    (out_dir / "summary.json").write_text(json.dumps(summaries, indent=2) + "\n", encoding="utf-8")
    _print(summaries, out_dir, Console(highlight=False))


def _analyse(path: Path, matrix: Matrix) -> tuple["pd.DataFrame", dict[str, Any]]:
    from rich.console import Console

    from vidprep.analysis.filter_summary import summarise_filters
    from vidprep.analysis.filters import count_filters, filter_table
    from vidprep.model.weight_files import read_weights

    file = read_weights(path)
    console = Console(stderr=True)
    with console.status(f"reading {path}") as status:
        table = filter_table(file, matrix, on_layer=status.update)
    return table, summarise_filters(table, count_filters(file, matrix))


def _draw(table: "pd.DataFrame", out_dir: Path, title: str) -> None:
    from vidprep.analysis.filter_figures import PLANES, layers_figure, sphere_figure, stages_figure

    names = ("average", "first", "second")
    sphere_figure(table, title).savefig(out_dir / "sphere.png", dpi=200)
    stages_figure(table, title).savefig(out_dir / "stages.png", dpi=200)
    for across, up in PLANES:
        figure = layers_figure(table, (across, up), title)
        figure.savefig(out_dir / f"layers-{names[across]}-{names[up]}.png", dpi=200)


def _draw_versus(tables: list["pd.DataFrame"], names: list[str], out_dir: Path) -> None:
    from vidprep.analysis.filter_figures import versus_figure

    versus_figure(tables, names, " and ".join(names)).savefig(out_dir / "versus.png", dpi=200)


def _print(summary: dict[str, Any], out_dir: Path, console: "Console") -> None:
    from rich.table import Table

    table = Table("", box=None)
    for heading in ("filters", "zero", "average²", "1st²", "2nd²", "median angle", "first's share"):
        table.add_column(heading, justify="right")
    for stage in summary["stages"]:
        table.add_row(stage["stage"], *_row(stage))
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
