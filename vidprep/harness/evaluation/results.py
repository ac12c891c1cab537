"""results.json: the figures of an evaluation, and all that decided them. `docs/harness.md` explains it."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, ValidationError, model_validator

from vidprep.errors import HarnessError
from vidprep.files import write_whole
from vidprep.harness.evaluation.annotation import Annotation
from vidprep.harness.evaluation.class_orders.order_files import ClassOrder
from vidprep.harness.evaluation.scores import mean_per_class, top_k, wilson_interval
from vidprep.harness.evaluation.tables.seen_frames import SeenFrames
from vidprep.recipes.recipe import EvalViews, Recipe, Weights
from vidprep.recipes.toml_models import Frozen

RESULTS = "results.json"
EPOCHS = "epochs"  # folder of the other epochs' evaluations, where there are some
Probe = Literal["frozen", "shuffled", "reversed"]  # what a network was shown instead of the videos: probes.py


class Failure(Frozen):
    """A video that could not be scored, and why."""

    key: str
    error: str


class Coverage(Frozen):
    """How many of the videos that the shard set stores were scored, and how often.

    `unscored` were not scored, `duplicates` more than once. For videos that the set lacks see `Annotation`.
    """

    stored: int
    scored: int
    unscored: int
    duplicates: int
    failed: tuple[Failure, ...]

    @property
    def all_stored_scored(self) -> bool:
        """Tell whether every stored video of the split was scored exactly once."""
        return not (self.unscored or self.duplicates or self.failed)

    @model_validator(mode="before")
    @classmethod
    def _with_names_of_format_1(cls, values: Any) -> Any:
        return _renamed(values, {"expected": "stored", "seen": "scored", "missing": "unscored"})


class Interval(Frozen):
    """Confidence intervals, ends from 0 to 1."""

    level: float
    top1: tuple[float, float]
    top5: tuple[float, float]


class TopK(Frozen):
    """Shares of the videos, 0 to 1."""

    top1: float
    top5: float


class Figures(Frozen):
    """The accuracies, 0 to 1: by the sum of the views' logits unless a name says otherwise.

    `softmax_sum` ranks classes by the sum of the views' softmax, `centre_view` by the centre view alone.
    """

    top1: float
    top5: float
    mean_per_class: float
    interval: Interval
    softmax_sum: TopK
    centre_view: TopK


class EvaluatedCheckpoint(Frozen):
    """Which weights were evaluated; `epoch` and `total_steps` are null where the file does not say.

    `selected_by` says by which figures this checkpoint was chosen among others; null: it was not. `weights`
    is "trained", or "ema" for their average.
    """

    path: str
    sha256: str
    epoch: int | None
    total_steps: int | None
    selected_by: str | None = None
    weights: Weights = "trained"


class EvaluatedShards(Frozen):
    """Which videos were evaluated: `root` is the set's folder or URL, `fingerprint` tells it from others."""

    root: str
    fingerprint: str
    split: str


class CommonFigures(Frozen):
    """The figures of an evaluation on chosen videos; shares from 0 to 1.

    Attributes:
        passports: The passports that all videos counted are in: file or set, and the sha256 of its rows.
        num_videos: Number of videos counted.
        num_judged: Number of videos of the whole evaluation.
        num_different: Evaluated videos that were left out because their content differs between two sets.
        top1: Top-1 by the sum of logits.
        top1_interval: Its 95 % interval.
        top5: Top-5 by the sum of logits.
        top5_interval: Its 95 % interval.
        mean_per_class: Mean over the classes of each one's top-1.
    """

    passports: dict[str, str]
    num_videos: int
    num_judged: int
    num_different: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    top5_interval: tuple[float, float]
    mean_per_class: float


class Results(Figures):
    """The content of results.json; a file of release 0.1 (format 1) lacks what has a default here.

    `warnings` are reasons not to trust the figures, in sentences. `predictions_sha256` is the hash of
    predictions.parquet; "" in files of earlier releases.
    """

    format: Literal["vidprep evaluation 1", "vidprep evaluation 2"] = "vidprep evaluation 2"
    all_stored_scored: bool
    coverage: Coverage
    annotation: Annotation | None = None
    common: CommonFigures | None = None
    checkpoint: EvaluatedCheckpoint
    shards: EvaluatedShards
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    class_list_hash: str
    views: EvalViews
    protocol: Literal["ibm"] | None
    centre_tap: bool = False
    probe: Probe | None = None
    class_order: ClassOrder | None = None
    seen_frames: SeenFrames | None = None
    warnings: tuple[str, ...] = ()
    predictions_sha256: str = ""
    recipe: Recipe | None
    seconds: float
    views_per_second: float
    environment: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _with_names_of_format_1(cls, values: Any) -> Any:
        return _renamed(values, {"complete": "all_stored_scored"})


def _renamed(values: Any, names: dict[str, str]) -> Any:
    """Return a dictionary under today's names; anything else as it is, to be refused by pydantic."""
    if not isinstance(values, dict):
        return values
    return {names.get(name, name): value for name, value in values.items()}


def figures(parts: pa.Table) -> Figures:
    """Return the figures of scored videos, each once.

    Args:
        parts: Columns `label`, `logit_rank`, `softmax_rank` and `centre_rank`.
    """
    labels = parts["label"].to_numpy().astype(np.int64)
    logit, softmax, centre = (
        parts[f"{what}_rank"].to_numpy().astype(np.int64) for what in ("logit", "softmax", "centre")
    )
    top1, top5 = top_k(logit, 1), top_k(logit, 5)
    return Figures(
        top1=top1,
        top5=top5,
        mean_per_class=mean_per_class(logit, labels),
        interval=Interval(
            level=0.95,
            top1=wilson_interval(top1, len(labels)),
            top5=wilson_interval(top5, len(labels)),
        ),
        softmax_sum=TopK(top1=top_k(softmax, 1), top5=top_k(softmax, 5)),
        centre_view=TopK(top1=top_k(centre, 1), top5=top_k(centre, 5)),
    )


def coverage(rows: np.ndarray[Any, np.dtype[np.int64]], stored: int, failures: dict[str, str]) -> Coverage:
    """Return how often the stored videos of a split were scored.

    Args:
        rows: The row in the split of every scored video.
        stored: Rows of the split.
        failures: Keys of videos that could not be scored, and why.
    """
    scored = len(np.unique(rows))
    return Coverage(
        stored=stored,
        scored=scored,
        unscored=stored - scored,
        duplicates=len(rows) - scored,
        failed=tuple(Failure(key=key, error=error) for key, error in failures.items()),
    )


def write_results(results: Results, out_dir: Path) -> None:
    """Write results.json."""
    write_whole(out_dir / RESULTS, (results.model_dump_json(indent=2) + "\n").encode())


def read_results(out_dir: Path) -> Results:
    """Read the results of an evaluation.

    Raises:
        HarnessError: If there are none, or they are damaged.
    """
    path = out_dir / RESULTS
    if not path.is_file():
        if not path.parent.exists():
            raise HarnessError(f"No folder {path.parent}. Evaluate first: vidprep eval --help.")
        raise HarnessError(f"No results at {path}: the evaluation has not ended.")
    try:
        return Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "not JSON"
        raise HarnessError(f"{path} holds no results of this version: {where}: {first['msg']}.") from error
