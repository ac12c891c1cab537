"""Evaluations: how often the network is right, where it is wrong, and which videos show it best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from markupsafe import Markup

from vidprep.errors import HarnessError, ReportError
from vidprep.harness.evaluation.results import Results, read_results
from vidprep.harness.evaluation.tables.predictions import PREDICTIONS
from vidprep.report import words
from vidprep.report.drawing.charts import rank_columns
from vidprep.report.drawing.svg import Axis, Drawing
from vidprep.report.evaluation_files import read_predictions
from vidprep.report.find import Subject
from vidprep.report.sections.confident_videos import ConfidentVideos, find_confident
from vidprep.report.sections.confusion import Pair, confusion_chart, confusion_matrix, most_confused
from vidprep.report.sections.evaluation_tables import EpochsView, TurnedView, view_epochs, view_turned
from vidprep.report.sections.shards import MAX_NAMED
from vidprep.report.sections.spreads import Bar

# Keys of results.json that are shown elsewhere on the page, or not at all.
_NOT_FACTS = {"classes", "recipe", "coverage", "interval", "annotation", "common", "class_order", "warnings"}


@dataclass(frozen=True)
class EvaluationView:
    """All that the page shows of an evaluation; without predictions, only its headline."""

    subject: Subject
    basis: str
    top1: str
    interval: str
    interval_drawing: Markup
    headline: list[tuple[str, str]]
    all_stored_scored: bool
    accounting: list[tuple[str, str]]
    coverage: list[tuple[str, str]]
    failed: list[tuple[str, str]]
    facts: list[tuple[str, str]]
    class_chart: Markup | None
    class_bars: list[Bar]
    pairs: list[Pair]
    confusion: Markup | None
    labels: list[tuple[str, str]]
    videos: ConfidentVideos | None
    epochs: EpochsView | None
    turned: TurnedView | None
    notes: list[str]


def view_evaluation(subject: Subject, max_chars: int) -> EvaluationView:
    """Read an evaluation and return all that the page shows of it.

    Args:
        subject: The evaluation.
        max_chars: Limit for the frames of its videos, in characters of HTML.

    Raises:
        ReportError: If results.json is damaged or of another version.
    """
    results = _read_results(subject)
    notes: list[str] = []
    table: pa.Table | None = None
    try:
        table = read_predictions(subject, results)
    except (ReportError, OSError, pa.ArrowException) as error:
        notes.append(f"Only the headline can be shown. {PREDICTIONS}: {error}")
    rows = _Rows(table, results.classes) if table is not None and len(table) else None
    epochs, problems = view_epochs(subject, len(results.classes))
    turned, more = view_turned(subject)
    return EvaluationView(
        subject=subject,
        basis=_basis(results),
        top1=words.percent(results.top1, 2),
        interval=_interval_text(results.interval.level, results.interval.top1),
        interval_drawing=_interval_drawing(results.top1, results.interval.top1, 1 / len(results.classes)),
        headline=_headline(results),
        all_stored_scored=results.all_stored_scored,
        accounting=_accounting(results),
        coverage=words.flat(results.coverage.model_dump(exclude={"failed"})),
        failed=[(one.key, one.error) for one in results.coverage.failed],
        facts=words.flat(results.model_dump(mode="json", exclude=_NOT_FACTS)),
        class_chart=rows.class_chart() if rows and len(rows.accuracies) > MAX_NAMED else None,
        class_bars=rows.class_bars() if rows else [],
        pairs=most_confused(rows.matrix, results.classes) if rows else [],
        confusion=confusion_chart(rows.matrix) if rows else None,
        labels=[(str(label), name) for label, name in enumerate(results.classes)] if rows else [],
        videos=find_confident(table, results, max_chars) if rows and table is not None else None,
        epochs=epochs,
        turned=turned,
        notes=[*notes, *problems, *more],
    )


def _read_results(subject: Subject) -> Results:
    try:
        return read_results(subject.path)
    except HarnessError as error:
        raise ReportError(f"{error} Run the evaluation again.") from error


def _basis(results: Results) -> str:
    """Say what the figures are measured on, so that only comparable ones are compared."""
    views = f"{results.views.num_crops} × {results.views.num_clips} views"
    basis = f"{results.shards.split}, {results.coverage.scored:,} videos, {views}"
    if results.probe is not None:
        basis += f", {words.PROBES[results.probe]}"
    if results.centre_tap:
        basis += ", cut to the centre tap"
    if results.checkpoint.weights == "ema":
        basis += ", the average (EMA) of the weights"
    if results.checkpoint.selected_by is not None:
        basis += f", a checkpoint that was selected by {results.checkpoint.selected_by}"
    return basis if results.all_stored_scored else f"{basis}, of {results.coverage.stored:,} stored"


def _accounting(results: Results) -> list[tuple[str, str]]:
    """Say which videos were scored, and the bounds of the figures over all annotated ones."""
    seen, annotation, common = results.coverage, results.annotation, results.common
    rows = [("scored", f"{words.count(seen.scored)} of {words.count(seen.stored)} stored")]
    if annotation is not None:
        names = ("annotated", "used", "rejected", "missing")
        rows = [(name, words.count(getattr(annotation, name))) for name in names] + rows
        rows += [("Table A counts", words.count(annotation.expected))] if annotation.expected else []
        rows += [
            ("top-1 over all annotated", _span(annotation.top1_bounds)),
            ("top-5 over all annotated", _span(annotation.top5_bounds)),
        ]
    if common is not None:
        rows.append((f"top-1 on {common.num_videos:,} common videos", words.percent(common.top1, 2)))
    return rows


def _span(ends: Sequence[float]) -> str:
    return " to ".join(words.percent(end, 2) for end in ends)


def _headline(results: Results) -> list[tuple[str, str]]:
    num_classes = len(results.classes)
    return [
        ("top-5", words.percent(results.top5, 2)),
        ("mean per class", words.percent(results.mean_per_class, 2)),
        ("top-1 of softmax sum", words.percent(results.softmax_sum.top1, 2)),
        ("top-1 of centre view", words.percent(results.centre_view.top1, 2)),
        (f"chance, {num_classes} classes", words.percent(1 / num_classes, 2)),
    ]


def _interval_text(level: float, span: Sequence[float]) -> str:
    return f"{words.percent(level, 0)} interval {_span(span)}"


def compare(evaluations: Sequence[EvaluationView]) -> list[list[str]]:
    """Return a table of several evaluations, headings first; empty for fewer than two."""
    if len(evaluations) < 2:
        return []
    names = list(dict.fromkeys(name for view in evaluations for name, _ in view.headline))
    rows = [
        [
            f"{view.subject.name}: {view.basis}",
            view.top1,
            *(dict(view.headline).get(name, "–") for name in names),
        ]
        for view in evaluations
    ]
    return [["", "top-1", *names], *rows]


def _interval_drawing(top1: float, interval: Sequence[float], chance: float) -> Markup:
    """Draw top-1 with its interval and chance on a line from 0 to 100 %."""
    drawing = Drawing(340, 38, f"top-1 {words.percent(top1)}, chance {words.percent(chance)}")
    across = Axis(0, 1, 16, 324)
    drawing.line(16, 14, 324, 14, "axis")
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line(across(value), 14, across(value), 18, "axis")
        drawing.text(across(value), 32, words.percent(value, 0), "tick", anchor="middle")
    drawing.line(across(chance), 6, across(chance), 22, "chance")
    low, high = map(across, interval)
    drawing.rect(low, 10, max(high - low, 1), 8, "band", rx=3)
    drawing.rect(across(top1) - 1.5, 6, 3, 16, "f0", rx=1)
    return drawing.markup()


class _Rows:
    """What the predictions say of each class that occurs."""

    def __init__(self, table: pa.Table, classes: Sequence[str]) -> None:
        labels = table["label"].to_numpy().astype(np.int64)
        predicted = table["predicted"].to_numpy().astype(np.int64)
        self.matrix = confusion_matrix(labels, predicted, len(classes))
        totals = self.matrix.sum(axis=1)
        there = np.flatnonzero(totals).tolist()
        rows = [(self.matrix[at, at] / totals[at], int(totals[at]), classes[at]) for at in there]
        self.accuracies = sorted(rows, key=lambda row: (-row[0], row[2]))

    def class_chart(self) -> Markup:
        names = [name for _, _, name in self.accuracies]
        values = np.array([100 * accuracy for accuracy, _, _ in self.accuracies])
        return rank_columns(
            names, {"top-1": values}, x_label="classes, best first", y_label="top-1 in %", top=100
        )

    def class_bars(self) -> list[Bar]:
        return [
            Bar(name, [accuracy], f"{round(accuracy * total)} of {total}")
            for accuracy, total, name in self.accuracies
        ]
