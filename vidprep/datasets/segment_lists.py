"""A list of the files that segments are parts of, to check that every segment lies inside its file."""

from pathlib import Path

import pandas as pd

from vidprep.datasets.list_rows import malformed, read_rows
from vidprep.errors import AnnotationError
from vidprep.recipes.dataset_file import AnnotationList, DatasetManifest
from vidprep.shards.segment import END_TOLERANCE_SECONDS, Segment


def check_segments(records: pd.DataFrame, path: Path, rule: AnnotationList, dataset: DatasetManifest) -> str:
    """Compare segments with the durations of their files, and return a note about them.

    Raises:
        AnnotationError: If a segment is of no file of the list, or ends after its file; the message names the
            line.
    """
    durations = dict(_durations(path, rule, dataset))
    for source, text in records[["source_id", "segment"]].drop_duplicates().itertuples(index=False):
        segment = Segment.model_validate_json(text) if text else None
        place = segment.place if segment else "a record"
        if source not in durations:
            raise AnnotationError(f"{place}: {path.name} names no video '{source}'. Are both of one release?")
        if segment and segment.unit == "seconds" and segment.end > durations[source] + END_TOLERANCE_SECONDS:
            raise AnnotationError(
                f"{place}: the segment ends at {segment.end:g} s, "
                f"{source} at {durations[source]:g} s ({path.name})."
            )
    used = records["source_id"].nunique()
    return f"{path.name}: {len(durations):,} untrimmed videos; segments are of {used:,} of them."


def _durations(path: Path, rule: AnnotationList, dataset: DatasetManifest) -> list[tuple[str, float]]:
    found = []
    for place, row in read_rows(path, rule, dataset):
        try:
            found.append((rule.id.format_map(row), float(row[rule.end])))
        except ValueError as error:
            raise malformed(path, place, f"{rule.end} must be seconds, got '{row[rule.end]}'") from error
    return found
