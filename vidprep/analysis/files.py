"""Files of an analysis: written atomically, and those of an earlier analysis deleted."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidprep.files import write_whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def remove_earlier(out_dir: Path, patterns: Sequence[str]) -> None:
    """Delete files that an analysis may have written here before with other options.

    A report shows every figure of a folder, as if it were about the numbers beside it.
    """
    for pattern in patterns:
        for path in out_dir.glob(pattern):
            path.unlink()


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write numbers as indented JSON."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def write_figure(figure: "Figure", path: Path, *, dpi: int = 200) -> None:
    """Write a figure as PNG."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=dpi)
    write_whole(path, data.getvalue())


def write_table(table: "pd.DataFrame", path: Path) -> None:
    """Write a table as Parquet."""
    write_whole(path, table.to_parquet(index=False))
