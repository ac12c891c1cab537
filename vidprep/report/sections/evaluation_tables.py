"""Tables that lie beside an evaluation: its accuracy over the epochs, and which classes turn into which."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd
from markupsafe import Markup

from vidprep.harness.evaluation.tables.epochs import OVER_EPOCHS, read_epochs_table
from vidprep.harness.evaluation.tables.turned_classes import TURNED, read_turned_table, turned_sentence
from vidprep.report import words
from vidprep.report.drawing.charts import Line, line_chart
from vidprep.report.find import Subject

View = TypeVar("View")


@dataclass(frozen=True)
class EpochsView:
    """Accuracy over the epochs of a run; `table` has its headings first."""

    chart: Markup
    table: list[list[str]]


@dataclass(frozen=True)
class TurnedView:
    """Which class is taken for which when time runs backwards; `table` has its headings first."""

    sentence: str
    table: list[list[str]]


def view_epochs(subject: Subject, num_classes: int) -> tuple[EpochsView | None, list[str]]:
    """Return accuracy over the epochs, or None where it was not evaluated; and notes on a damaged file."""
    return _view(subject, OVER_EPOCHS, lambda: _epochs(subject, num_classes))


def view_turned(subject: Subject) -> tuple[TurnedView | None, list[str]]:
    """Return which classes turn into which, or None where there is no such table; and notes on damage."""
    return _view(subject, TURNED, lambda: _turned(subject))


def _view(subject: Subject, name: str, look: Callable[[], View]) -> tuple[View | None, list[str]]:
    if not (subject.path / name).is_file():
        return None, []
    try:
        return look(), []
    except (OSError, ValueError) as error:
        return None, [f"{name} cannot be read: {error}. Run the evaluation again."]


def _epochs(subject: Subject, num_classes: int) -> EpochsView:
    table = read_epochs_table(subject.path / OVER_EPOCHS)
    epochs = table["epoch"].tolist()
    lines = [
        Line(name, series, epochs, (100 * table[column]).tolist())
        for series, (name, column) in enumerate((("top-1", "top1"), ("top-5", "top5")))
    ]
    lines.append(Line("chance", 2, [min(epochs), max(epochs)], [100 / num_classes] * 2))
    ends = 100 * table[["top1_low", "top1_high"]]
    band = np.column_stack([table["epoch"], ends]).tolist()
    chart = line_chart(lines, x_label="epoch", y_label="of the videos, %", y_range=(0, 100), band=band)
    return EpochsView(chart, [["epoch", "videos", "top-1", "95 %", "top-5", "mean per class"], *_rows(table)])


def _rows(table: pd.DataFrame) -> list[list[str]]:
    return [
        [
            f"{row['epoch']:g}",
            words.count(int(row["num_videos"])),
            words.percent(row["top1"], 2),
            f"{words.percent(row['top1_low'], 2)} to {words.percent(row['top1_high'], 2)}",
            words.percent(row["top5"], 2),
            words.percent(row["mean_per_class"], 2),
        ]
        for row in table.to_dict("records")
    ]


def _turned(subject: Subject) -> TurnedView:
    table = read_turned_table(subject.path / TURNED)
    rows = [
        [
            row["class"],
            row["turns_into"] if row["turns_into"] != row["class"] else "itself",
            words.percent(row["share"], 0),
            words.percent(row["stays"], 0),
            words.count(row["num_videos"]),
        ]
        for row in table.to_dict("records")
    ]
    return TurnedView(turned_sentence(table), [["class", "turns into", "share", "stays", "videos"], *rows])
