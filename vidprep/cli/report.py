"""`vidprep report`: one HTML page on shard sets, runs, evaluations and analyses."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

_SECONDS_BETWEEN_LINES = 5.0


def report(
    folders: Annotated[
        list[str],
        typer.Argument(
            metavar="DIR|URL...", help="Shard sets, runs, evaluations, analyses, or folders of them."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.html", help="The page.")] = Path("report.html"),
    max_mb: Annotated[
        float,
        typer.Option(
            min=0.5, max=10_000, help="Largest size of the page; clips and figures are made smaller to fit."
        ),
    ] = 10.0,
) -> None:
    """Write one self-contained HTML page that works offline: accounting, clips, curves, accuracies."""
    import vidprep
    from vidprep.report import words

    if out.suffix not in (".html", ".htm"):
        raise typer.BadParameter(f"{out} does not end in .html.", param_hint="--out")
    started = time.monotonic()
    max_bytes = int(max_mb * 1e6)
    with _progress() as (on_stage, on_clip):
        page = vidprep.write_report(folders, out, max_bytes=max_bytes, on_stage=on_stage, on_clip=on_clip)
    seconds = words.seconds(time.monotonic() - started)
    typer.echo(f"{out}: {', '.join(_counts(page.kinds))}; {words.size(page.size_bytes)}, {seconds}.")
    if page.size_bytes > max_bytes:
        typer.echo(
            f"It is larger than {max_mb:g} MB: its tables and charts alone take that. Name fewer folders."
        )


def _counts(kinds: Sequence[str]) -> list[str]:
    plurals = {"shards": "shard sets", "run": "runs", "evaluation": "evaluations", "analysis": "analyses"}
    singles = {"shards": "shard set", "run": "run", "evaluation": "evaluation", "analysis": "analysis"}
    counts = {kind: list(kinds).count(kind) for kind in dict.fromkeys(kinds)}
    return [f"{n} {singles[kind] if n == 1 else plurals[kind]}" for kind, n in counts.items()]


@contextmanager
def _progress() -> Iterator[tuple[Callable[[str], None], Callable[[int, int], None]]]:
    """Yield callbacks for stages and clips, which show a bar on a terminal, a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        lines = _Lines()
        yield lines.stage, lines.clip
        return
    names = TextColumn("{task.description}", markup=False)  # a folder may be called "[/a]"
    columns = (names, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:

        def stage(name: str) -> None:
            for task in bar.task_ids:  # a new one: rich cannot take back a total
                bar.remove_task(task)
            bar.add_task(name, total=None)

        yield stage, lambda done, total: bar.update(bar.task_ids[-1], completed=done, total=total)


class _Lines:
    """Prints plain lines: each stage and, every few seconds, how many of its clips are done."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()

    def stage(self, name: str) -> None:
        typer.echo(f"Looking at {name}", err=True)
        self._began = self._last = time.monotonic()

    def clip(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES:
            return
        self._last = now
        rate = done / (now - self._began)
        typer.echo(f"  {done:,} / {total:,} clips, {rate:.1f}/s, ETA {(total - done) / rate:.0f} s", err=True)
