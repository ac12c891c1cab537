"""The page: everything in one HTML file that needs no network, runs no script and escapes every string."""

import base64
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pyarrow.compute as pc
import pyarrow.parquet as pq
from markupsafe import Markup

from vidprep import __version__
from vidprep.errors import ReportError, ShardError
from vidprep.links import inside
from vidprep.report import words
from vidprep.report.find import Kind, Subject, find_link_out
from vidprep.report.sections.analyses import AnalysisView, view_analysis
from vidprep.report.sections.answer import Answer, view_answer
from vidprep.report.sections.evaluations import EvaluationView, compare, view_evaluation
from vidprep.report.sections.runs import RunsView, view_runs
from vidprep.report.sections.set_comparisons import ComparisonView, view_comparisons
from vidprep.report.sections.shards import ShardsView, view_shards
from vidprep.shards.layout import INDEX

MAX_BYTES = 10_000_000
# About how many bytes tables and drawings of one subject take with 400 classes, and the style sheet.
_TEXT_BYTES: dict[Kind, int] = {"shards": 350_000, "run": 60_000, "evaluation": 150_000, "analysis": 40_000}
_STYLE_BYTES = 20_000
# Nothing is fetched and nothing runs; of styles, only the one that is part of vidprep.
_POLICY = "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"

OnStage = Callable[[str], None]
OnClip = Callable[[int, int], None]


@dataclass(frozen=True)
class Report:
    """The answer, then the views of all subjects, kind by kind; `damaged`: subject and what is wrong."""

    answer: Answer | None
    shards: list[ShardsView]
    runs: RunsView | None
    evaluations: list[EvaluationView]
    analyses: list[AnalysisView]
    damaged: list[tuple[Subject, str]]
    comparisons: list[ComparisonView]


def write_page(
    subjects: Sequence[Subject],
    *,
    max_bytes: int = MAX_BYTES,
    on_stage: OnStage = lambda name: None,
    on_clip: OnClip = lambda done, total: None,
) -> str:
    """Return the page on some subjects as HTML.

    A subject that is damaged is named in the page with what is wrong.

    Args:
        subjects: The folders to report on.
        max_bytes: How large the page may be. Images are made smaller or fewer to fit; text and tables not.
        on_stage: Called with the name of the subject that is next.
        on_clip: Called with the number of clips of a contact sheet that are done, and the number in all.

    Raises:
        ReportError: If there is a single subject and it is damaged.
    """
    report = _look(subjects, max_bytes, on_stage, on_clip)
    if report.damaged and len(subjects) == 1:
        raise ReportError(report.damaged[0][1])
    return _render(report, subjects)


def _look(subjects: Sequence[Subject], max_bytes: int, on_stage: OnStage, on_clip: OnClip) -> Report:
    shares = image_chars(subjects, max_bytes)
    shards: list[ShardsView] = []
    evaluations: list[EvaluationView] = []
    analyses: list[AnalysisView] = []
    damaged: list[tuple[Subject, str]] = []
    runs: list[Subject] = []
    for subject in subjects:
        if subject.kind != "shards" and (problem := find_link_out(subject)):
            damaged.append((subject, problem))
            continue
        if subject.kind == "run":
            runs.append(subject)  # they share their charts
            continue
        on_stage(f"{subject.kind} {subject.url or subject.path}")
        try:
            if subject.kind == "shards":
                shards.append(view_shards(subject, shares[subject], on_clip))
            elif subject.kind == "evaluation":
                evaluations.append(view_evaluation(subject, shares[subject]))
            else:
                analyses.append(view_analysis(subject, shares[subject]))
        except (ShardError, ReportError) as error:
            damaged.append((subject, str(error)))
    seen_runs = view_runs(runs) if runs else None
    evaluated = [view.subject for view in evaluations]
    return Report(
        answer=view_answer(evaluated, seen_runs) if evaluated or runs else None,
        shards=shards,
        runs=seen_runs,
        evaluations=evaluations,
        analyses=analyses,
        damaged=damaged,
        comparisons=view_comparisons([view.subject for view in shards]),
    )


def image_chars(subjects: Sequence[Subject], max_bytes: int) -> dict[Subject, int]:
    """Return how many characters the images of each subject may take, in proportion to what it needs."""
    text = _STYLE_BYTES + sum(_TEXT_BYTES[subject.kind] for subject in subjects)
    room = max(max_bytes - text, max_bytes // 2)  # with many subjects the text is mostly shorter
    needs = {subject: _NEEDED_CHARS[subject.kind](subject) for subject in subjects}
    total = max(1, sum(needs.values()))
    return {subject: room * need // total for subject, need in needs.items()}


def _chars_of_clips(subject: Subject) -> int:
    """Estimate the characters of clips of all classes in the best quality, and of frames of a few videos."""
    try:
        names = pq.read_table(inside(subject.path, INDEX), columns=["class"])["class"]
    except (OSError, ValueError, ShardError):  # a damaged one gets its message when it is opened
        return 0
    return 200_000 + 30_000 * len(pc.unique(names))


def _chars_of_figures(subject: Subject) -> int:
    return sum(path.stat().st_size for path in subject.path.glob("*.png")) * 3 // 2


_NEEDED_CHARS: dict[Kind, Callable[[Subject], int]] = {
    "shards": _chars_of_clips,
    "run": lambda subject: 0,
    "evaluation": lambda subject: 200_000,
    "analysis": _chars_of_figures,
}


def _render(report: Report, subjects: Sequence[Subject]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vidprep.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": words.count,
        "percent": words.percent,
        "number": words.number,
        "size": words.size,
    }
    style = (Path(__file__).parent / "templates" / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        report=report,
        comparison=compare(report.evaluations),
        subjects=subjects,
        style=Markup(style),
        policy=_POLICY.format(digest),
        version=__version__,
        when=words.moment(datetime.fromtimestamp(time.time(), UTC)),
    )
