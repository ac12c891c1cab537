"""The first part of the page: how good a network is, how sure that is, on which videos, what is missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from vidprep.errors import HarnessError
from vidprep.harness.evaluation.comparisons.versus import ComparedEvaluations, compare_evaluations
from vidprep.harness.evaluation.results import Results, read_results
from vidprep.report import words
from vidprep.report.find import Subject
from vidprep.report.sections.runs import RunsView

_MAX_PAIRED = 4  # up to so many evaluations all pairs are compared, else each with the first without a probe


@dataclass(frozen=True)
class Headline:
    """One evaluation in a line; `warnings` are reasons not to trust its figure."""

    name: str
    anchor: str
    top1: str
    interval: str
    over: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """Two evaluations on their common videos; `is_clear` if the interval does not contain zero."""

    first: str
    second: str
    difference: str
    interval: str
    p_value: str
    over: str
    is_clear: bool


@dataclass(frozen=True)
class Answer:
    """The content of the first part of the page."""

    evaluations: list[Headline]
    runs: list[tuple[str, str]]
    differences: list[Difference]
    missing: list[str]


def view_answer(evaluations: Sequence[Subject], runs: RunsView | None) -> Answer:
    """Collect what a reader wants to know first; damaged subjects are left to their own sections."""
    known = [(subject, results) for subject in evaluations if (results := _results(subject)) is not None]
    numbered = list(enumerate(known, start=1))
    numbered.sort(key=lambda entry: entry[1][1].probe is not None)  # probes explain a figure; it comes first
    return Answer(
        evaluations=[_headline(subject, one, number) for number, (subject, one) in numbered],
        runs=_runs(runs) if runs else [],
        differences=_differences(known),
        missing=[*_missing(known), *_not_evaluated(known, runs)],
    )


def _results(subject: Subject) -> Results | None:
    try:
        return read_results(subject.path)
    except (HarnessError, OSError):
        return None


def _headline(subject: Subject, results: Results, number: int) -> Headline:
    low, high = results.interval.top1
    return Headline(
        name=subject.name,
        anchor=f"evaluation-{number}",
        top1=words.percent(results.top1, 2),
        interval=f"{words.percent(low, 2)} to {words.percent(high, 2)}",
        over=_over(results),
        warnings=results.warnings,
    )


def _over(results: Results) -> str:
    """Say what the figure is measured on: which videos, how many of the annotated ones, which views."""
    videos = f"{results.coverage.scored:,}"
    if results.annotation is not None:
        videos += f" of {results.annotation.annotated:,} annotated"
    views = f"{results.views.num_crops} × {results.views.num_clips} views"
    parts = [f"{results.shards.split}: {videos} videos", views, f"{len(results.classes)} classes"]
    if results.probe is not None:
        parts.append(words.PROBES[results.probe])
    if results.centre_tap:
        parts.append("cut to the centre tap")
    if results.checkpoint.weights == "ema":
        parts.append("the average (EMA) of the weights")
    if results.checkpoint.selected_by is not None:
        parts.append(f"the checkpoint selected by {results.checkpoint.selected_by}")
    return ", ".join(parts)


def _runs(view: RunsView) -> list[tuple[str, str]]:
    """Return each run with a sentence on its latest accuracy."""
    heading, *rows = view.table
    found = []
    for row in rows:
        cells = dict(zip(heading, row, strict=True))
        top1 = cells.get("validation top-1", "–")
        epoch = f"epoch {cells['epoch']}"
        if top1 != "–":
            found.append((row[0], f"{epoch}: {top1} on the validation split while it trained"))
        elif cells["top-1"] != "–":
            found.append((row[0], f"{epoch}: {cells['top-1']} on training clips, not validated"))
        else:
            found.append((row[0], "no figures yet"))
    return found


def _differences(known: Sequence[tuple[Subject, Results]]) -> list[Difference]:
    found = []
    for first, second in _pairs(known):
        try:
            compared = compare_evaluations(first.path, second.path)
        except (HarnessError, OSError, ValueError):
            continue  # other classes, other videos, no predictions: the sections of both say so
        found.append(_difference(first, second, compared))
    return found


def _pairs(known: Sequence[tuple[Subject, Results]]) -> list[tuple[Subject, Subject]]:
    usual = [subject for subject, one in known if one.probe is None and not one.centre_tap]
    others = [subject for subject, _ in known if subject not in usual]
    ordered = [*usual, *others]
    if len(ordered) <= _MAX_PAIRED:
        return list(combinations(ordered, 2))
    return [(ordered[0], other) for other in ordered[1:]]


def _difference(first: Subject, second: Subject, compared: ComparedEvaluations) -> Difference:
    low, high = compared.interval
    return Difference(
        first=first.name,
        second=second.name,
        difference=f"{100 * compared.difference:+.2f} points",
        interval=f"{100 * low:+.2f} to {100 * high:+.2f}",
        p_value=f"{compared.p_value:.2g}",
        over=f"{compared.num_videos:,} common videos, {compared.only_first:,} right in the first only, "
        f"{compared.only_second:,} in the second only",
        is_clear=low > 0 or high < 0,
    )


def _missing(known: Sequence[tuple[Subject, Results]]) -> list[str]:
    found = []
    for subject, results in known:
        if results.probe is not None:
            continue  # a probe shows the same videos as the evaluation without one
        seen, annotation = results.coverage, results.annotation
        if not results.all_stored_scored:
            found.append(
                f"{subject.name}: {seen.unscored:,} of {seen.stored:,} stored videos were not scored."
            )
        if annotation is not None and annotation.used < annotation.annotated:
            lacking = f"{annotation.rejected:,} rejected, {annotation.missing:,} missing"
            low, high = annotation.top1_bounds
            found.append(
                f"{subject.name}: of {annotation.annotated:,} annotated videos the shards lack some "
                f"({lacking}); over all of them top-1 lies "
                f"from {words.percent(low, 2)} to {words.percent(high, 2)}."
            )
        if results.seen_frames is not None and results.seen_frames.unseen_share >= 0.01:
            share = words.percent(results.seen_frames.unseen_share, 0)
            found.append(f"{subject.name}: {share} of the frames are in none of its views.")
    return found


def _not_evaluated(known: Sequence[tuple[Subject, Results]], runs: RunsView | None) -> list[str]:
    if runs is None:
        return []
    evaluated = [str(results.checkpoint.path) for _, results in known]
    names = [
        run.subject.name
        for run in runs.runs
        if not any(f"/{run.subject.path.name}/" in f"/{path}" for path in evaluated)
    ]
    return [f"Run {name} has no evaluation among these." for name in names]
