"""`python -m benchmarks.faults` makes all faults and writes docs/reliability.md; `--short` some of them."""

import argparse
import datetime
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults.damaged_files import FILES, try_file
from benchmarks.faults.interrupted_builds import build_outcomes, short_build_outcomes
from benchmarks.faults.interrupted_copies import copy_outcomes
from benchmarks.faults.interrupted_runs import run_outcomes
from benchmarks.faults.mutants import mutant_outcomes, mutants_measured
from benchmarks.faults.outcome import HEADINGS, Outcome

PAGE = Path(__file__).parents[2] / "docs/reliability.md"
_HEAD = """# Reliability

What happens to the work when something happens to the machine, to a process or to a file. Each row was made
on purpose, on real builds and trainings of small made videos, by `python -m benchmarks.faults`, which writes
this page and ends with an error if a row is not as good as it should be.

- survived: the work ended well afterwards, by itself or when the same command ran again; of damaged files:
  the damage was named in a message, or the file was read without an error. The latter is not always harmless:
  a flipped bit of a title is not noticed. Of damaged videos: rejected, or used and called suspect.
  A damaged plan or file of predictions that is read has to give what was written.
- lost, duplicated: videos (of trainings: steps) that were missing in the end, or there twice, in all tries.
- same bytes: the result is to the byte (of trainings: loss by loss) that of undisturbed work.

"""


def outcomes(folder: Path, options: argparse.Namespace) -> Iterator[tuple[Outcome, list[str]]]:
    """Yield each row, and what went wrong in it in detail."""
    for name in FILES:
        yield try_file(name, options.mutations)
    (folder / "runs").mkdir()
    for outcome in run_outcomes(folder / "runs", options.tries, options.openings, short=options.short):
        yield outcome, []
    (folder / "copies").mkdir()
    for outcome in copy_outcomes(folder / "copies", 2 * options.tries):
        yield outcome, []
    (folder / "builds").mkdir()
    faults = short_build_outcomes if options.short else build_outcomes
    for outcome in faults(folder / "builds", options.tries):
        yield outcome, []


def all_outcomes(folder: Path, options: argparse.Namespace) -> Iterator[tuple[Outcome, list[str]]]:
    """Yield the rows, those of the mutants last: they are measured beside the others."""
    if options.short or options.videos is None:
        yield from outcomes(folder, options)
        return
    work = options.mutants or folder / "mutants"
    with mutants_measured(options.videos, work) as process:
        yield from outcomes(folder, options)
        for outcome in mutant_outcomes(process, work):
            yield outcome, []


def page(rows: list[Outcome], tries: int) -> str:
    """Return the page; `tries` is what the command was told."""
    cells = [list(HEADINGS), ["---", *["---:"] * 5, "---"], *(row.cells() for row in rows)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    today = f"{datetime.datetime.now(datetime.UTC):%d %B %Y}"
    load = f"load {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores at the end"
    run = f"`python -m benchmarks.faults` with {tries} tries of each fault of a build or a training"
    return f"{_HEAD}{today}, {run}, Python {platform.python_version()}, {load}.\n\n{table}\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--videos", type=Path, help="real videos to damage; without them no such rows")
    parser.add_argument("--mutants", type=Path, help="keep what is made of them here, and go on from there")
    parser.add_argument("--tries", type=int, default=3, help="of each fault of a build or a training")
    parser.add_argument("--mutations", type=int, default=100, help="of each file")
    parser.add_argument("--openings", type=int, default=1000, help="of a shard set")
    parser.add_argument(
        "--short", action="store_true", help="one try of some faults, few mutations; writes no page"
    )
    parser.add_argument("--out", type=Path, default=PAGE, help="the page")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    if options.short:
        options.tries, options.mutations, options.openings = 1, 24, 100
    rows, wrong = [], []
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        for row, details in all_outcomes(Path(folder), options):
            rows.append(row)
            print(*row.cells(), sep=" | ", flush=True)
            wrong += details + ([] if row.is_good or not row.tries else [f"not good: {row.fault}"])
            if not options.short:
                options.out.write_text(page(rows, options.tries), encoding="utf-8")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
