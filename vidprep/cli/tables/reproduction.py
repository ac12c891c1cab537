"""What `vidprep reproduce` prints: our accuracy beside the published one, and what differs."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from vidprep.harness.reproduction.run import Reproduction


def print_reproduction(found: "Reproduction") -> None:
    """Print our accuracy beside the published one, and what differs from its conditions."""
    published, results = found.published, found.results
    console = Console(highlight=False, soft_wrap=True)
    console.print(published.what, markup=False)
    table = Table("", box=None)
    for heading in ("published", "ours", "95 %"):
        table.add_column(heading, justify="right")
    for name, theirs, ours, (low, high) in (
        ("top-1", published.top1, results.top1, results.interval.top1),
        ("top-5", published.top5, results.top5, results.interval.top5),
    ):
        table.add_row(
            name, "–" if theirs is None else f"{theirs:.2f}%", f"{ours:.2%}", f"{low:.2%} to {high:.2%}"
        )
    console.print(table)
    console.print(_verdict(found), markup=False)
    for heading, sentences in (
        ("Warning:", results.warnings),
        ("Differs:", found.differences),
        ("Not certain:", published.doubts),
    ):
        for sentence in sentences:
            console.print(f"{heading} {sentence}", markup=False)


def _verdict(found: "Reproduction") -> str:
    if found.agrees is None:
        return (
            f"Over {found.results.coverage.scored:,} videos; no published figure is at hand to compare with."
        )
    where = "lies in" if found.agrees else "lies outside of"
    return f"The published top-1 {where} the interval of ours, over {found.results.coverage.scored:,} videos."
