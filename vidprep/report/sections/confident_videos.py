"""The videos of which a network is most confident: those it gets right, and those it gets wrong."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from vidprep.errors import DecodeError, ShardError
from vidprep.harness.evaluation.results import EvaluatedShards, Results
from vidprep.report.drawing.images import Embedded, webp
from vidprep.report.drawing.videos import VideoReader
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import StoredVideo

_NUM_SHOWN, _NUM_FRAMES, _HEIGHT = 6, 3, 96


@dataclass(frozen=True)
class ShownVideo:
    """A video with its true and its predicted class; `confidence` from 0 to 1.

    `problem` says why it has no frames although its shards were found.
    """

    key: str
    true: str
    predicted: str
    confidence: float
    frames: list[Embedded]
    problem: str


@dataclass(frozen=True)
class ConfidentVideos:
    """The right and the wrong ones of highest confidence; `problem` says why there are no frames."""

    best: list[ShownVideo]
    worst: list[ShownVideo]
    problem: str


def find_confident(table: pa.Table, results: Results, max_chars: int) -> ConfidentVideos:
    """Choose videos and fetch frames of them from the shards that were evaluated.

    Args:
        table: The predictions: key, label, predicted and logit_sum.
        results: Results of the evaluation, with the classes and the place of the shards.
        max_chars: Limit for the frames of all of them, in characters of HTML.
    """
    confidence = _confidences(table)
    right = table["label"].to_numpy() == table["predicted"].to_numpy()
    order = np.argsort(-confidence, kind="stable")
    videos, problem = _evaluated_videos(results.shards)
    max_each = max_chars // (2 * _NUM_SHOWN * _NUM_FRAMES)

    def shown(row: int) -> ShownVideo:
        key = table["key"][row].as_py()
        true, predicted = (results.classes[table[name][row].as_py()] for name in ("label", "predicted"))
        return ShownVideo(key, true, predicted, float(confidence[row]), *videos.frames(key, max_each))

    return ConfidentVideos(
        best=[shown(int(row)) for row in order[right[order]][:_NUM_SHOWN]],
        worst=[shown(int(row)) for row in order[~right[order]][:_NUM_SHOWN]],
        problem=problem,
    )


def _confidences(table: pa.Table) -> np.ndarray:
    """Return the softmax of the summed logits at the predicted class."""
    flat = table["logit_sum"].combine_chunks().flatten().to_numpy().astype(np.float64)
    logits = flat.reshape(len(table), -1)
    with np.errstate(invalid="ignore"):  # NaN for a network that diverged; it is sorted last
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares[np.arange(len(shares)), table["predicted"].to_numpy()])


class _Videos:
    """Where the evaluated videos are, by key; empty if their shards cannot be found."""

    def __init__(self, shards: ShardSet | None, split: str) -> None:
        self._reader = VideoReader(shards) if shards else None
        self._split = shards.split(split) if shards else None
        keys = self._split.index["key"].to_pylist() if self._split else []
        self._rows = {key: row for row, key in enumerate(keys)}

    def frames(self, key: str, max_chars: int) -> tuple[list[Embedded], str]:
        """Return a few frames of a video, or none and why it does not decode or they are too large."""
        if self._reader is None or self._split is None or key not in self._rows:
            return [], ""
        video = self._split.video(self._rows[key])
        try:
            images = self._reader.images(video, _spread_frames(video), _HEIGHT)
        except (ShardError, DecodeError) as error:
            return [], str(error)
        made = [webp(image, 45) for image in images]
        fits = sum(len(each.uri) for each in made) <= max_chars * _NUM_FRAMES
        return (made, "") if fits else ([], "No room in this page for its frames.")


def _spread_frames(video: StoredVideo) -> list[int]:
    places = ((2 * at + 1) * video.num_frames // (2 * _NUM_FRAMES) for at in range(_NUM_FRAMES))
    return sorted(set(places))


def _evaluated_videos(recorded: EvaluatedShards) -> tuple[_Videos, str]:
    try:
        shards = ShardSet.open(recorded.root)
        generation = shards.generation_of(recorded.fingerprint)
        if generation is not None and generation != shards.generation:
            shards = ShardSet.open(recorded.root, generation=generation)
        if recorded.fingerprint != shards.fingerprint:
            raise ShardError(f"{recorded.root} is another shard set than the one that was evaluated.")
        return _Videos(shards, recorded.split), ""
    except ShardError as error:
        return _Videos(None, recorded.split), f"No frames: {error}"
