"""Evaluation views: every video exactly once, whatever the number of ranks."""

from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path

import numpy as np
import torch

from vidprep.errors import DecodeError
from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels, Uint8s
from vidprep.load.loader import Loader
from vidprep.load.options import LoaderOptions
from vidprep.load.sampling.clips import eval_frames
from vidprep.load.sampling.crops import eval_boxes
from vidprep.load.sampling.views import View
from vidprep.load.workers.scheduler import Filling, Request, fill_slots
from vidprep.recipes.recipe import EvalViews
from vidprep.shards.shard_set import ShardSet


class ViewLoader(Loader):
    """All views of one video after another, each video decoded once.

    Rank r of W gives videos r, r + W, ... of the split, less those in `skip`: nothing is padded, nothing
    dropped, ranks may get one video more or less than others. A batch is one video; view number
    clip * num_crops + crop.

        views = vidprep.EvalViews(clip_len=8, crop_size=32, num_clips=3, num_crops=3)
        for batch in vidprep.ViewLoader("shards/motion", "validation", views=views):
            clips = vidprep.to_network_input(batch)  # (9, 3, 8, 32, 32), the views of one video

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "validation".
        views: Which clips and crops of a video are views.
        rank: Of this process among `world_size`.
        skip: Rows of the split that nobody needs again; the same on every rank.
        on_failure: Called with the key of a video that cannot be read or does not decode and with the
            reason; the loader then goes on without it. None: the loader raises.
        pixels: "yuv420", half the bytes, converted by `vidprep.load.transforms` on the GPU; or "rgb".
        options: How to use the machine.

    Raises:
        ShardError: If the shard set is not complete.
        ValueError: If the arguments do not fit each other or the shards.
    """

    def __init__(
        self,
        shards: ShardSet | Path | str,
        split: str = "validation",
        *,
        views: EvalViews,
        rank: int = 0,
        world_size: int = 1,
        skip: Collection[int] = (),
        on_failure: Callable[[str, str], object] | None = None,
        pixels: Pixels = "yuv420",
        options: LoaderOptions = LoaderOptions(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(shards, split, rank=rank, world_size=world_size, pixels=pixels, options=options)
        left_out = frozenset(skip)
        self._rows = [row for row in range(len(self._split)) if row not in left_out][rank::world_size]
        self._views, self._on_failure = views, on_failure
        for width, height in self._split.frame_sizes:
            eval_boxes(views, width, height)  # says now which crop does not fit
        self._config = self._work_config(
            longest_side=views.crop_size,
            num_jobs=1,
            views_per_job=views.num_clips * views.num_crops,
            clip_len=views.clip_len,
        )

    def __len__(self) -> int:
        """Return the videos of this rank."""
        return len(self._rows)

    def __iter__(self) -> Generator[Batch, None, None]:
        """Yield the videos of this rank.

        Raises:
            DecodeError: If one of them does not decode: an evaluation without it would be another.
            ShardError: If one of them cannot be read, or is not what the index says. Both are handed to
                `on_failure` instead where there is one.
        """
        if not self._rows:
            return
        with self._iteration() as engine:
            self._stats.lap()
            fillings = fill_slots(
                engine,
                self._requests(),
                num_slots=self._config.ring.num_slots,
                stats=self._stats,
                keep_unreadable=self._on_failure is not None,
            )
            for row, filling in zip(self._rows, fillings, strict=True):
                if filling.failures:
                    self._fail(filling)
                    continue
                batch = self._batch(engine.ring[filling.slot], row, filling)
                if row == self._rows[-1]:
                    self._live_iteration = None
                yield from self._hand_out(batch)

    def _requests(self) -> Iterator[list[Request]]:
        for row in self._rows:
            video = self._split.video(row)
            clips = eval_frames(self._views, video.num_frames)
            boxes = eval_boxes(self._views, video.width, video.height)
            yield [Request(video, tuple(View(tuple(clip), box) for clip in clips for box in boxes))]

    def _fail(self, filling: Filling) -> None:
        ((video, _),), (message,) = filling.requests, filling.failures.values()
        if self._on_failure is None:
            raise DecodeError(f"{message} An evaluation must see every video.")
        self._stats.num_decode_errors += 1
        self._on_failure(video.key, message)

    def _batch(self, slot: Uint8s, row: int, filling: Filling) -> Batch:
        ((video, views),) = filling.requests
        num_views = len(views)
        return Batch(
            video=torch.from_numpy(slot),
            label=torch.full((num_views,), int(self._split.labels[row])),
            key=(video.key,) * num_views,
            frame_indices=torch.from_numpy(np.array([view.frames for view in views], dtype=np.int32)),
            box=torch.from_numpy(np.array([view.box for view in views], dtype=np.int32)),
            flip=torch.zeros(num_views, dtype=torch.bool),
            pixels=self._pixels,
            crop_size=self._views.crop_size,
        )
