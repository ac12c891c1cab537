"""Training runs: their curves in common charts, and the facts and the recipe of each."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
from markupsafe import Markup

from vidprep.harness.folder_lock import is_held
from vidprep.harness.run_folder import (
    FACTS,
    LOCK,
    METRICS,
    RECIPE,
    epoch_checkpoints,
    torn_line,
)
from vidprep.harness.run_records import facts_problem, scan_metrics
from vidprep.report import words
from vidprep.report.drawing.charts import Line, line_chart
from vidprep.report.find import Subject

MAX_POINTS = 150  # on a line; more are averaged
NUM_SERIES = 6  # colours and dashes that can be told apart
_NUM_NOTES = 3  # damaged lines of a run are named one by one up to this number

Metrics = list[dict[str, Any]]


@dataclass(frozen=True)
class Curve:
    """One chart over epochs."""

    title: str
    chart: Markup


@dataclass(frozen=True)
class RunView:
    """One run; `series` is its colour, None where it has no curve."""

    subject: Subject
    series: int | None
    facts: list[tuple[str, str]]
    recipe: str
    num_checkpoints: int
    notes: list[str]


@dataclass(frozen=True)
class RunsView:
    """All runs of the page, their common charts, and a table of their last lines, headings first."""

    curves: list[Curve]
    table: list[list[str]]
    runs: list[RunView]
    notes: list[str]


# Key of metrics.jsonl, title, unit, factor, range of the value axis.
_CHARTS: tuple[tuple[str, str, str, float, tuple[float, float] | None], ...] = (
    ("loss", "Loss", "loss", 1, None),
    ("top1", "Top-1 on training clips", "top-1 in %", 100, (0, 100)),
    ("validation_top1", "Top-1 on the validation split", "top-1 in %", 100, (0, 100)),
    ("validation_loss", "Loss on the validation split", "loss", 1, None),
    ("lr", "Learning rate", "learning rate", 1, None),
    ("clips_per_second", "Speed", "clips per second", 1, None),
    ("data_wait", "Waiting for data", "share of time in %", 100, None),
)


# Columns of the table of runs: key of metrics.jsonl, heading, and how the value is written.
COLUMNS: dict[str, tuple[str, Callable[[float], str]]] = {
    "epoch": ("epoch", words.number),
    "step": ("step", words.count),
    "loss": ("loss", words.number),
    "top1": ("top-1", words.percent),
    "lr": ("learning rate", words.number),
    "clips_per_second": ("clips/s", words.number),
    "data_wait": ("data wait", words.percent),
    "seconds": ("trained for", words.seconds),
    "validation_top1": ("validation top-1", words.percent),
}


def view_runs(subjects: Sequence[Subject]) -> RunsView:
    """Read runs and return what the page shows of them; damaged or empty ones have a note."""
    read = [(subject, *_metrics(subject)) for subject in subjects]
    with_curves = [subject for subject, metrics, _ in read if metrics]
    series = {subject: number for number, subject in enumerate(with_curves[:NUM_SERIES])}
    drawn = [(subject, metrics) for subject, metrics, _ in read if subject in series]
    notes = []
    if len(with_curves) > NUM_SERIES:
        hidden = len(with_curves) - NUM_SERIES
        notes.append(f"The charts show the first {NUM_SERIES} runs; {hidden} more stand below them.")
    headings = ["", *(heading for heading, _ in COLUMNS.values())]
    return RunsView(
        curves=[curve for chart in _CHARTS if (curve := _curve(chart, drawn, series))],
        table=[headings, *([subject.name, *_last(metrics)] for subject, metrics, _ in read)],
        runs=[_view(subject, metrics, series.get(subject), notes) for subject, metrics, notes in read],
        notes=notes,
    )


def _metrics(subject: Subject) -> tuple[Metrics, list[str]]:
    """Return the lines that can be drawn, and what is wrong with the others."""
    try:
        found = scan_metrics(subject.path / METRICS)
    except OSError as error:
        return [], [f"{METRICS} cannot be read: {error}."]
    good = [line for line in found.lines if _is_finite(line.get("epoch"))]
    notes = [f"{METRICS} cannot be read: {problem}." for problem in found.problems[:_NUM_NOTES]]
    if len(found.problems) > _NUM_NOTES:
        notes.append(f"{len(found.problems) - _NUM_NOTES:,} more lines of {METRICS} cannot be read.")
    if not found.lines and not notes:
        notes = [f"No metrics yet: the run has not come to its first line of {METRICS}."]
    read = [*found.lines, *(problem.content for problem in found.problems if problem.content is not None)]
    placed = [line for line in read if isinstance(line, dict) and _is_finite(line.get("epoch"))]
    if len(placed) < len(read):
        notes.append(f"Left out, since they have no 'epoch': {len(read) - len(placed)} lines of {METRICS}.")
    if (torn := torn_line(subject.path)) and not is_held(subject.path / LOCK):
        notes.append(f"{torn}.")
    return good, notes


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_finite(value: object) -> bool:
    return _is_number(value) and math.isfinite(value)


def _curve(
    chart: tuple[str, str, str, float, tuple[float, float] | None],
    drawn: Sequence[tuple[Subject, Metrics]],
    series: dict[Subject, int],
) -> Curve | None:
    key, title, unit, factor, y_range = chart
    lines = []
    for subject, metrics in drawn:
        points = [(m["epoch"], m[key] * factor) for m in metrics if _is_number(m.get(key))]
        if points:
            x, y = thin([x for x, _ in points], [y for _, y in points])
            lines.append(Line(subject.name, series[subject], x, y))
    return Curve(title, line_chart(lines, x_label="epoch", y_label=unit, y_range=y_range)) if lines else None


def thin(x: Sequence[float], y: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return at most `MAX_POINTS` points, each the mean of equally many neighbours; NaN if one of them is."""
    if len(x) <= MAX_POINTS:
        return list(x), list(y)
    size = math.ceil(len(x) / MAX_POINTS)
    starts = range(0, len(x), size)
    return [float(np.mean(x[at : at + size])) for at in starts], [
        float(np.mean(y[at : at + size])) for at in starts
    ]


def _view(subject: Subject, metrics: Metrics, series: int | None, notes: list[str]) -> RunView:
    facts, more = _facts(subject)
    notes = [*notes, *more]
    recipe = subject.path / RECIPE
    num_bad = sum(not math.isfinite(line["loss"]) for line in metrics if _is_number(line.get("loss")))
    if num_bad:
        notes = [*notes, f"Lines of metrics.jsonl whose loss is not a finite number: {num_bad}."]
    return RunView(
        subject=subject,
        series=series,
        facts=facts,
        recipe=recipe.read_text(encoding="utf-8", errors="replace") if recipe.is_file() else "",
        num_checkpoints=len(epoch_checkpoints(subject.path)),
        notes=notes,
    )


def _facts(subject: Subject) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the facts of run.json, even if a training did not write it so; and notes on what is wrong."""
    try:
        content = json.loads((subject.path / FACTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return [], [f"{FACTS} is missing."]
    except (ValueError, OSError) as error:
        return [], [f"{FACTS} cannot be read: {error}."]
    problem = facts_problem(content)
    return words.flat(content), [f"{FACTS} is not as a training writes it: {problem}."] if problem else []


def _last(metrics: Metrics) -> list[str]:
    """Return where a run is, a text per column of `COLUMNS`."""
    last = {key: value for line in metrics for key, value in line.items()}
    return [text(last[key]) if _is_number(last.get(key)) else "–" for key, (_, text) in COLUMNS.items()]
