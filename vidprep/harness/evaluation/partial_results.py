"""`OUT/parts/`: what an evaluation has done so far, so that it can go on after a stop.

evaluation.json          which evaluation this is; another one is refused
rows-00000123.parquet    scored videos, the first of them row 123 of the split; written whole or not at all
failed-0001.json         keys that rank 1 could not score, and why; deleted and tried again at the next start
lock                     lets one evaluation work at a time
"""

import io
import json
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.evaluation.scores import VideoScores
from vidprep.harness.folder_lock import one_at_a_time

PARTS = "parts"
_IDENTITY = "evaluation.json"

# A stop without warning loses at most so much of a rank's work: small files, but not thousands of them.
_MAX_VIDEOS = 64
_MAX_SECONDS = 30.0

# Columns of predictions.parquet, see docs/harness.md ...
PREDICTION_FIELDS = [
    ("key", pa.string()),
    ("label", pa.int32()),
    ("predicted", pa.int32()),
    ("scores", pa.list_(pa.float16())),
    ("logit_sum", pa.list_(pa.float32())),
    ("softmax_sum", pa.list_(pa.float32())),
]
# ... and what a part has besides: the row of the split, and what results.json is made from.
PART_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        *PREDICTION_FIELDS,
        ("logit_rank", pa.int32()),
        ("softmax_rank", pa.int32()),
        ("centre_rank", pa.int32()),
        ("seconds", pa.float64()),  # since the rank had scored the video before
    ]
)


class PartWriter:
    """Takes scored videos and writes them to files, up to 64 at a time.

    Args:
        parts_dir: Folder of the files.
    """

    def __init__(self, parts_dir: Path) -> None:
        self._dir = parts_dir
        self._rows: list[dict[str, Any]] = []
        self._written = self._lap = time.monotonic()

    def add(self, row: int, key: str, label: int, video: VideoScores) -> None:
        """Add a scored video; `row` is its place in the split."""
        now = time.monotonic()
        facts = {"row": row, "key": key, "label": label, "seconds": now - self._lap}
        self._rows.append(facts | video._asdict() | {"scores": video.scores.ravel()})
        self._lap = now
        if len(self._rows) >= _MAX_VIDEOS or now - self._written > _MAX_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the videos added since the last file."""
        if self._rows:
            columns = {name: [row[name] for row in self._rows] for name in PART_SCHEMA.names}
            data = io.BytesIO()
            pq.write_table(
                pa.table(columns, schema=PART_SCHEMA), data, compression="zstd", write_page_checksum=True
            )
            # A row is scored once, so the first one makes a name that no other part has.
            write_whole(self._dir / f"rows-{self._rows[0]['row']:08d}.parquet", data.getvalue())
        self._rows = []
        self._written = time.monotonic()


def read_parts(parts_dir: Path) -> ds.Dataset:
    """Return all parts together; columns and rows are read when they are asked for."""
    return ds.dataset(
        sorted(map(str, parts_dir.glob("rows-*.parquet"))), schema=PART_SCHEMA, format="parquet"
    )


def read_done(parts_dir: Path) -> npt.NDArray[np.int64]:
    """Return the rows of the split that are scored already, in no particular order.

    Raises:
        HarnessError: If a part is damaged.
    """
    rows = [np.empty(0, np.int64)]
    for path in sorted(parts_dir.glob("rows-*.parquet")):
        try:
            part = pq.ParquetFile(path, page_checksum_verification=True)
            if lacking := set(PART_SCHEMA.names) - set(part.schema_arrow.names):
                raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
            rows.append(part.read(use_threads=False)["row"].to_numpy())
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
            what = " ".join(str(error).split())
            raise HarnessError(
                f"{path} is damaged ({what}). Delete it and run the same evaluation again: the videos that "
                "it holds are scored anew."
            ) from error
    return np.concatenate(rows)


def open_parts(parts_dir: Path, identity: dict[str, Any]) -> None:
    """Make the folder of an evaluation ready to begin, or to go on; the failed videos are tried again."""
    write_whole(parts_dir / _IDENTITY, (json.dumps(identity, indent=2) + "\n").encode())
    for path in parts_dir.glob("failed-*.json"):
        path.unlink()


def check_identity(out_dir: Path, identity: dict[str, Any], found: dict[str, Any] | None = None) -> None:
    """Refuse to go on with another evaluation.

    Args:
        out_dir: Folder of the evaluation.
        identity: Settings that decide the scores, by name, see `Evaluation.identity`.
        found: The identity of the evaluation in `out_dir`; None: what its parts say, if there are any.

    Raises:
        HarnessError: If they differ; the message names what, with both values.
    """
    path = out_dir / PARTS / _IDENTITY
    if found is None and path.is_file():
        found = _read_identity(path)
    if found is None or found == identity:
        return
    names = [name for name in identity | found if identity.get(name) != found.get(name)]
    differences = ", ".join(f"{name} = {found.get(name)!r}, not {identity.get(name)!r}" for name in names)
    raise HarnessError(
        f"{out_dir} holds another evaluation, with {differences}. Give another --out, or delete that folder."
    )


def _read_identity(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except ValueError as error:
        raise HarnessError(
            f"{path} is damaged ({error}), so it is not known which evaluation the parts beside it belong "
            f"to. Delete {path.parent} and run the evaluation again."
        ) from error
    return found


def write_failures(parts_dir: Path, rank: int, failures: dict[str, str]) -> None:
    """Write down the videos that a rank could not score: key and reason."""
    if failures:
        write_whole(parts_dir / f"failed-{rank:04d}.json", json.dumps(failures).encode())


def read_failures(parts_dir: Path) -> dict[str, str]:
    """Return the videos that no rank could score, by key."""
    failures: dict[str, str] = {}
    for path in sorted(parts_dir.glob("failed-*.json")):
        failures |= json.loads(path.read_text(encoding="utf-8"))
    return failures


def only_evaluation(parts_dir: Path) -> AbstractContextManager[None]:
    """Keep other evaluations out of a folder for the length of a `with` block.

    Raises:
        HarnessError: If another evaluation is at work in it.
    """
    return one_at_a_time(
        parts_dir / "lock",
        f"Another evaluation is at work in {parts_dir.parent}. Wait for it, or give another --out.",
    )
