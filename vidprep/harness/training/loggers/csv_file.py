"""metrics.csv: the lines of metrics.jsonl for a spreadsheet."""

import csv
import io

from vidprep.files import write_whole
from vidprep.harness.training.loggers.interface import AboutRun

CSV = "metrics.csv"
_COLUMNS = (
    "step",
    "epoch",
    "lr",
    "loss",
    "top1",
    "clips_per_second",
    "data_wait",
    "seconds",
    "validation_loss",
    "validation_top1",
    "validation_top5",
    "validation_videos",
    "validation_seconds",
)


class CsvFile:
    """One row for each line of metrics; a value that a line lacks is an empty cell.

    Args:
        about: The run; its earlier lines are written first.
    """

    def __init__(self, about: AboutRun) -> None:
        path = about.run_dir / CSV
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(about.known)
        write_whole(path, text.getvalue().encode())
        self._file = path.open("a", encoding="utf-8", newline="")
        self._rows = csv.DictWriter(self._file, _COLUMNS, extrasaction="ignore")

    def write(self, step: int, values: dict[str, float]) -> None:
        """Write the values of a step."""
        self._rows.writerow({"step": step, **values})
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
