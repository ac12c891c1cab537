"""Two evaluations on the videos that are in both: the difference, its interval, and in which classes."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from vidprep.errors import HarnessError
from vidprep.files import distinct_names
from vidprep.harness.evaluation.pairing import PairedDifference, class_differences, paired_difference
from vidprep.harness.evaluation.rescore import on_common_videos
from vidprep.harness.evaluation.results import Results, read_results
from vidprep.harness.evaluation.tables.per_class import write_csv
from vidprep.harness.evaluation.tables.predictions import read_predictions
from vidprep.shards.passports.passport import Passport


@dataclass(frozen=True)
class ComparedEvaluations(PairedDifference):
    """Two evaluations on common videos, see `PairedDifference`.

    Attributes:
        names: Names of the two, never the same.
        classes: A row for each class that occurs, the greatest differences first: label, class, num_videos,
            top-1 of both (`first`, `second`) and their difference.
        incomplete: Names of evaluations that did not score every stored video once: not to be reported.
    """

    names: tuple[str, str] = ("", "")
    classes: pd.DataFrame = field(default_factory=pd.DataFrame)
    incomplete: tuple[str, ...] = ()

    def sentence(self) -> str:
        """Say what the difference is, how sure it is, and of which videos."""
        low, high = self.interval
        return (
            f"{self.names[0]} versus {self.names[1]}: {self.difference:+.2%} ({self.level:.0%}: {low:+.2%} "
            f"to {high:+.2%}; McNemar p = {self.p_value:.2g}) on {self.num_videos:,} common videos; only the "
            f"one is right on {self.only_first:,}, only the other on {self.only_second:,}"
        ) + "".join(f"; {name} is incomplete" for name in self.incomplete)

    def write(self, path: Path) -> None:
        """Write `classes` as CSV, with the names of the evaluations in the header."""
        columns = {
            side: f"top1 of {name}" for side, name in zip(("first", "second"), self.names, strict=True)
        }
        write_csv(self.classes.rename(columns=columns), path)


def compare_evaluations(
    first_dir: Path | str, second_dir: Path | str, passports: Sequence[Passport] = ()
) -> ComparedEvaluations:
    """Compare two evaluations on the videos that are in both.

        found = vidprep.compare_evaluations("evals/motion", "evals/motion")
        print(found.difference, found.interval, found.p_value, found.classes.head())

    Args:
        first_dir: A finished evaluation.
        second_dir: Another one, of any network and any views, over the same classes.
        passports: If given, only videos count that all of these sets hold with the same content.

    Raises:
        HarnessError: If one is not there, their classes or a video's labels differ, or they have no video in
            common.
    """
    first_dir, second_dir = Path(first_dir), Path(second_dir)
    first, second = read_results(first_dir), read_results(second_dir)
    if first.classes != second.classes:
        raise HarnessError(
            f"{first_dir} and {second_dir} are evaluations over different class lists "
            f"({len(first.classes)} and {len(second.classes)} classes): their labels do not compare."
        )
    left, _ = on_common_videos(read_predictions(first_dir), first, passports)
    both = left.merge(read_predictions(second_dir), on="key", suffixes=("_first", "_second"))
    if not len(both):
        raise HarnessError(f"{first_dir} and {second_dir} have no evaluated video in common.")
    if (differing := both["label_first"] != both["label_second"]).any():
        raise HarnessError(
            f"{first_dir} and {second_dir} have other labels for {differing.sum():,} of {len(both):,} common "
            f"videos, {both['key'][differing].iloc[0]} is the first: they are of different annotations."
        )
    names = _names(first_dir, second_dir)
    one, other = (_is_right(both, side) for side in ("_first", "_second"))
    labels = both["label_first"].to_numpy().astype(np.int64)
    return ComparedEvaluations(
        **asdict(paired_difference(one, other)),
        names=names,
        classes=_by_class(one, other, labels, first.classes),
        incomplete=_incomplete(names, first, second),
    )


def _names(first: Path, second: Path) -> tuple[str, str]:
    names = {path: name for name, path in distinct_names([first, second]).items()}
    return names[first], names[second] if second != first else f"{names[first]} (the same)"


def _incomplete(names: tuple[str, str], *results: Results) -> tuple[str, ...]:
    return tuple(name for name, one in zip(names, results, strict=True) if not one.all_stored_scored)


def _by_class(
    first: npt.NDArray[np.bool_],
    second: npt.NDArray[np.bool_],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> pd.DataFrame:
    table = pd.DataFrame(class_differences(first, second, labels))
    table.insert(1, "class", [classes[label] for label in table["label"]])
    table["difference"] = table["first"] - table["second"]
    return table


def _is_right(rows: pd.DataFrame, side: str) -> npt.NDArray[np.bool_]:
    right: npt.NDArray[Any] = (rows[f"predicted{side}"] == rows[f"label{side}"]).to_numpy()
    return right.astype(bool)
