"""Figures that other commands drew, with the numbers that they wrote beside them."""

import json
from dataclasses import dataclass
from typing import Any

from vidprep.report import words
from vidprep.report.drawing.images import Embedded, embed_figure
from vidprep.report.find import ANALYSIS_SUMMARIES, Subject

# Figures by the commands that draw them, and what to say under them; others get their name.
_CAPTIONS = {
    "sphere": "Primary temporal filters on the unit sphere",
    "stages": "Density of the filters, stage by stage",
    "layers-average-first": "Layer by layer: average and 1st differential",
    "layers-first-second": "Layer by layer: 1st and 2nd differential",
    "layers-average-second": "Layer by layer: average and 2nd differential",
    "versus": "Two networks side by side",
    "time": "Effective receptive field in time: energy per frame",
    "space": "Effective receptive field in the frame",
    "slice": "Effective receptive field: time against x",
    "frames": "Effective receptive field, frame by frame",
    "growth": "Over the epochs of a training",
}
MAX_DETAILS = 400  # numbers of a folder that are listed
_WIDE = 1800  # pixels
_TITLES = {
    "summary.json": "Temporal filters",
    "erf.json": "Effective receptive field",
    "growth.json": "Growth",
}


@dataclass(frozen=True)
class Figure:
    """A figure and what it shows."""

    caption: str
    image: Embedded

    @property
    def is_wide(self) -> bool:
        """Tell whether it has many panels side by side, too small for half of a page."""
        return self.image.width > _WIDE


@dataclass(frozen=True)
class Numbers:
    """A table of an analysis; the first row holds the headings."""

    rows: list[list[str]]


@dataclass(frozen=True)
class AnalysisView:
    """All that the page shows of an analysis folder."""

    subject: Subject
    title: str
    facts: list[tuple[str, str]]
    table: Numbers | None
    details: list[tuple[str, str]]
    figures: list[Figure]
    notes: list[str]


def view_analysis(subject: Subject, max_chars: int) -> AnalysisView:
    """Look at an analysis folder: its summaries, and every PNG in it.

    Args:
        max_chars: Characters of HTML for all figures; large ones are recompressed to fit.
    """
    notes: list[str] = []
    summaries = {name: _read(subject, name, notes) for name in ANALYSIS_SUMMARIES}
    there = {name: summary for name, summary in summaries.items() if summary}
    filters, erf = summaries["summary.json"], summaries["erf.json"]
    facts, table = _told(filters, erf, notes)
    return AnalysisView(
        subject=subject,
        title=" and ".join(_TITLES[name] for name in ANALYSIS_SUMMARIES if (subject.path / name).is_file()),
        facts=facts,
        table=table,
        details=_cut([pair for summary in there.values() for pair in words.flat(summary)]),
        figures=_figures(subject, max_chars, notes),
        notes=notes,
    )


def _cut(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    more = len(pairs) - MAX_DETAILS
    return [*pairs[:MAX_DETAILS], ("…", f"{more:,} more in the folder's JSON")] if more > 0 else pairs


def _told(
    filters: dict[str, Any], erf: dict[str, Any], notes: list[str]
) -> tuple[list[tuple[str, str]], Numbers | None]:
    """Return what the summaries say, as far as they are what this version's commands write."""
    try:
        return _filter_facts(filters) + _erf_facts(erf), _filter_table(filters)
    except (TypeError, ValueError) as error:
        notes.append(f"The summary is not one of this version ({error}). Run the analysis again.")
        return [], None


def _read(subject: Subject, name: str, notes: list[str]) -> dict[str, Any]:
    path = subject.path / name
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        notes.append(f"{name} cannot be read: {error}. Run the analysis again.")
        return {}
    if not isinstance(content, dict):
        notes.append(f"{name} is not one of this version: it holds no object. Run the analysis again.")
        return {}
    return content


def _figures(subject: Subject, max_chars: int, notes: list[str]) -> list[Figure]:
    paths = sorted(subject.path.glob("*.png"))
    figures = []
    for path in paths:
        image = embed_figure(path, max_chars // len(paths))
        if image is None:
            notes.append(f"{path.name} is left out: no readable PNG, or too large for this page.")
        else:
            figures.append(Figure(_caption(path.stem), image))
    if not paths:
        notes.append("There are no figures in this folder.")
    return figures


def _caption(stem: str) -> str:
    name, _, number = stem.rpartition("-")
    if stem not in _CAPTIONS and number.isdigit() and name in _CAPTIONS:
        return f"{_CAPTIONS[name]}, network {number}"
    return _CAPTIONS.get(stem, stem.replace("-", " ").replace("_", " ").capitalize())


def _filter_facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    facts: dict[str, str] = {key: str(summary[key]) for key in ("checkpoint", "matrix") if key in summary}
    if isinstance(versus := summary.get("versus"), dict):
        facts["versus"] = str(versus.get("checkpoint"))
    return list(facts.items())


def _filter_table(summary: dict[str, Any]) -> Numbers | None:
    """Return the summary of filters by stage, as `vidprep filters` prints it."""
    parts = summary.get("stages")
    if not isinstance(parts, list) or not isinstance(summary.get("all"), dict):
        return None
    headings = ["", "filters", "zero", "average²", "1st²", "2nd²", "median angle", "first's share"]
    rows = [*parts, summary["all"] | {"stage": "all layers"}]
    versus = summary.get("versus")
    if isinstance(versus, dict) and isinstance(versus.get("all"), dict):
        rows.append(versus["all"] | {"stage": "all, versus"})
    return Numbers([headings, *(_filter_row(row) for row in rows if isinstance(row, dict))])


def _filter_row(row: dict[str, Any]) -> list[str]:
    counts = [
        str(row.get("stage")),
        words.number(row.get("num_filters"), 8),
        words.number(row.get("num_zero"), 8),
    ]
    squares = row.get("mean_squared")
    if not isinstance(squares, dict):
        return [*counts, *["–"] * 5]
    return [
        *counts,
        *(f"{value:.3f}" for value in squares.values()),
        f"{row.get('median_angle_degrees', float('nan')):.1f}°",
        words.number(row.get("mean_share"), 3),
    ]


def _erf_facts(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what `vidprep erf` found, of each network."""
    facts = []
    for one in [summary, *summary.get("versus", [])]:
        if not isinstance(one, dict) or "sigma_frames" not in one:
            continue
        low, high = one.get("extent_frames", (float("nan"), float("nan")))
        facts += [
            ("checkpoint", str(one.get("checkpoint"))),
            ("sigma", f"{one['sigma_frames']:.2f} frames"),
            ("extent (2 sigma)", f"frames {low:.1f} to {high:.1f}"),
            ("frames above 4.55 %", words.number(one.get("frames_above"))),
            ("pixels above 4.55 %", words.number(one.get("pixels_above"), 8)),
            ("centroid (t, y, x)", ", ".join(f"{value:.1f}" for value in one.get("centroid", []))),
        ]
    return facts
