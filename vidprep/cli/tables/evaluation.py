"""What `vidprep eval` prints: accuracies, the videos that they are of, and warnings."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vidprep.durations import format_seconds

if TYPE_CHECKING:
    from vidprep.harness.evaluation.comparisons.versus import ComparedEvaluations
    from vidprep.harness.evaluation.results import Results

_NUM_CLASSES = 5  # that are printed of a table of classes
_SHOWN = {
    "frozen": "; every clip frozen to its middle frame",
    "shuffled": "; frames of every clip out of order",
    "reversed": "; time reversed",
}


def print_results(
    results: "Results",
    out_dir: Path,
    others: dict[str, "Results"],
    comparisons: Sequence["ComparedEvaluations"] = (),
) -> None:
    """Print an evaluation beside earlier ones, and comparisons on their common videos.

    Args:
        results: The evaluation.
        out_dir: Its folder.
        others: Earlier evaluations by name.
        comparisons: Comparisons of the evaluation with these.
    """
    views = results.views
    console = Console(highlight=False)
    console.print(
        f"{results.shards.root}, {results.shards.split}: crops x clips = {views.num_crops} x "
        f"{views.num_clips}, {views.clip_len} frames each, {views.temporal}"
        + ("; cut to the centre tap, blind to motion" if results.centre_tap else "")
        + ("; the average (EMA) of the weights" if results.checkpoint.weights == "ema" else "")
        + _SHOWN.get(results.probe or "", ""),
        markup=False,
        soft_wrap=True,
    )
    if results.checkpoint.selected_by is not None:
        console.print(
            f"This moment of the training was selected by {results.checkpoint.selected_by}: on that split "
            "its figures are too good. Report those of the last epoch.",
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    for warning in results.warnings:
        console.print(f"Warning: {warning}", style="bold red", markup=False, soft_wrap=True)
    console.print(_table(results, others))
    for found in comparisons:
        print_comparison(found, console)
    if results.probe == "reversed":
        _print_turned(out_dir, console)
    console.print(f"Results and predictions are in {out_dir}.", markup=False, soft_wrap=True)


def print_comparison(found: "ComparedEvaluations", console: Console) -> None:
    """Print the difference of two evaluations, and the classes in which it is greatest."""
    console.print(found.sentence(), markup=False, soft_wrap=True)
    differing = found.classes[found.classes["difference"] != 0].head(_NUM_CLASSES)
    for row in differing.to_dict("records"):
        console.print(
            f"  {row['difference']:+.1%}  {row['class']}: {row['first']:.1%} versus {row['second']:.1%} of "
            f"{row['num_videos']} videos",
            markup=False,
            soft_wrap=True,
        )


def _print_turned(out_dir: Path, console: Console) -> None:
    """Print which classes turn into which when time is reversed; a file has the whole table."""
    from vidprep.harness.evaluation.tables.turned_classes import TURNED, read_turned_table, turned_sentence

    table = read_turned_table(out_dir / TURNED)
    console.print(f"Backwards, {turned_sentence(table)}", markup=False, soft_wrap=True)
    for row in table[table["class"] != table["turns_into"]].head(2 * _NUM_CLASSES).to_dict("records"):
        console.print(
            f"  {row['class']} -> {row['turns_into']}: {row['share']:.0%} of {row['num_videos']} videos, "
            f"{row['stays']:.0%} stay",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"All of them are in {out_dir / TURNED}.", markup=False, soft_wrap=True)


def _table(results: "Results", others: dict[str, "Results"]) -> Table:
    table = Table("", box=None)
    for heading in ("top-1", "95 %", "top-5", "95 %"):
        table.add_column(heading, justify="right")
    table.add_row("sum of logits", *_headline(results))
    for name, found in (("sum of softmax", results.softmax_sum), ("centre view", results.centre_view)):
        table.add_row(name, f"{found.top1:.2%}", "", f"{found.top5:.2%}")
    table.add_row("mean per class", f"{results.mean_per_class:.2%}")
    num_classes = len(results.classes)
    table.add_row(
        "chance", f"{1 / num_classes:.2%}", f"{num_classes} classes", f"{min(1, 5 / num_classes):.2%}"
    )
    for name, other in others.items():
        table.add_row(Text(f"versus {name}{_differs(results, other)}"), *_headline(other))
    for row in _accounting_rows(results):
        table.add_row(*row)
    table.add_row("views/s", f"{results.views_per_second:.1f}", f"in {format_seconds(results.seconds)}")
    return table


def _accounting_rows(results: "Results") -> list[list[str]]:
    """Return rows about the videos behind the accuracies, and bounds over all annotated videos."""
    seen, annotation, common = results.coverage, results.annotation, results.common
    rows = []
    if common is not None:
        between = [_span(common.top1_interval), f"{common.top5:.2%}", _span(common.top5_interval)]
        name = f"on {common.num_videos:,} common videos"
        rows.append([name, f"{common.top1:.2%}", *between])
    if annotation is not None:
        bounds = ["", _span(annotation.top1_bounds), "", _span(annotation.top5_bounds)]
        rows.append([f"bounds over {annotation.annotated:,} annotated", *bounds])
    if results.seen_frames is not None and results.seen_frames.unseen:
        frames = results.seen_frames
        unseen = f"{frames.unseen:,} of {frames.frames:,}"
        rows.append(["frames that no view shows", f"{frames.unseen_share:.1%}", unseen])
    rows.append(["videos scored", f"{seen.scored:,}", f"of {seen.stored:,} stored"])
    if annotation is None:
        return [*rows, ["videos annotated", "", "not known: tars without a manifest"]]
    lacking = f"{annotation.rejected:,} rejected, {annotation.missing:,} missing"
    rows.append(["videos annotated", f"{annotation.annotated:,}", lacking])
    if annotation.expected is not None:
        rows.append(["Table A counts", f"{annotation.expected:,}"])
    return rows


def _span(ends: tuple[float, float]) -> str:
    return f"{ends[0]:.2%} to {ends[1]:.2%}"


def _headline(results: "Results") -> list[str]:
    return [
        _bold(results.top1),
        _span(results.interval.top1),
        _bold(results.top5),
        _span(results.interval.top5),
    ]


def _differs(results: "Results", other: "Results") -> str:
    """Say if two evaluations have other videos or views, or if one has not scored all its videos."""
    seen = other.coverage
    if not seen.all_stored_scored:
        return f" (only {seen.scored:,} of {seen.stored:,} videos!)"
    if (results.shards.fingerprint, results.shards.split) != (other.shards.fingerprint, other.shards.split):
        return " (other videos!)"
    return "" if results.views == other.views else " (other views!)"


def _bold(share: float) -> str:
    return f"[bold]{share:.2%}[/]"
