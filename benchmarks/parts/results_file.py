"""A benchmark's section of RESULTS.md, written anew line after line, so that a cut leaves something."""

from datetime import UTC, datetime
from pathlib import Path

from parts.charts import bar_chart
from parts.environment import machine, versions

RESULTS = Path(__file__).parents[1] / "RESULTS.md"


def add_results_option(parser):
    """Add `--results PATH`, the file whose section a benchmark writes anew."""
    what = "file whose section is written anew, default: benchmarks/RESULTS.md; -: print only"
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="PATH", help=what)


class Section:
    """Prints lines and keeps them in a section of a Markdown file, whose other sections stay as they are.

    Args:
        path: The file; None, `-` or an empty path: lines are printed only.
        heading: Heading of the section, without the hashes.

    Raises:
        ValueError: If the file has no such section.
    """

    def __init__(self, path, heading):
        self._path = None if path in (None, Path("-"), Path()) else path
        self._heading, self._lines = f"## {heading}\n", []
        if self._path:
            self._around()

    def _around(self):
        """Return what stands before and after the section now: it may have changed since the last line."""
        before, heading, rest = self._path.read_text(encoding="utf-8").partition(self._heading)
        if not heading:
            raise ValueError(
                f"{self._path} has no section '{self._heading.strip()}'. Write the heading where it belongs."
            )
        _, following, after = rest.partition("\n## ")
        return before + heading, following + after

    def begin(self, what):
        """Say when and on what this is measured: date, machine, load, `what`, versions."""
        self.add(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}; {what}; {versions()}.\n")

    def table(self, head, rows):
        """Add a table: names of its columns, and its rows of texts."""
        for row in (head, ["---"] * len(head), *rows):
            self.add(f"| {' | '.join(row)} |")
        self.add()

    def chart(self, bars, label, name):
        """Draw charts/`name`.png beside the file, and show it; see `bar_chart` for `bars` and `label`."""
        if self._path:
            charts = self._path.parent / "charts"
            charts.mkdir(exist_ok=True)
            bar_chart(bars, label, charts / f"{name}.png")
            self.add(f"![{label}](charts/{name}.png)\n")

    def add(self, text=""):
        """Print lines, and write all so far into the file."""
        print(text, flush=True)
        self._lines.append(text)
        if self._path:
            before, after = self._around()
            body = "\n".join(self._lines).rstrip("\n")
            self._path.write_text(f"{before}\n{body}\n{after}", encoding="utf-8")
