"""Evaluation views: every video exactly once, whatever the number of ranks."""

from collections.abc import Callable, Collection, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vidprep.errors import DecodeError
from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels, Uint8s
from vidprep.load.loader import Loader
from vidprep.load.options import LoaderOptions
from vidprep.load.output import DictOutput, Output
from vidprep.load.sampling.clips import check_rate, eval_frames
from vidprep.load.sampling.crops import eval_boxes
from vidprep.load.sampling.views import View
from vidprep.load.workers.scheduler import Filling, Request, fill_slots
from vidprep.recipes.recipe import EvalViews
from vidprep.shards.shard_set import ShardSet


class ViewLoader(Loader):
    """All views of one video after another, each video decoded once.

    Rank r of W gives videos r, r + W, ... of the split, less those in `skip`: nothing is padded, nothing
    dropped, ranks may get one video more or less than others. A batch holds all views of one video, or of
    `videos_per_batch` videos one after another; row clip * num_crops + crop of a video is that view. Workers
    live as long as those of `ClipLoader`.

        views = vidprep.EvalViews(clip_len=8, crop_size=32, num_clips=3, num_crops=3)
        for batch in vidprep.ViewLoader("shards/motion", "validation", views=views):
            clips = vidprep.to_network_input(batch)  # (9, 3, 8, 32, 32), the views of one video

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "validation".
        views: Which clips and crops of a video are views.
        rank: Number of this process among `world_size`, from 0.
        world_size: Processes that share the videos.
        videos_per_batch: More than one is for a validation with few views; the last batch may be smaller.
        only_views: Numbers (clip * num_crops + crop) of the views to give; None: all of them.
        skip: Rows of the split to leave out, e.g. those scored before; the same on every rank.
        on_failure: Called with the key of a video that cannot be read or does not decode and with the
            reason; the loader then goes on without it. None: the loader raises.
        pixels: "yuv420", half the bytes, converted by `vidprep.load.transforms` on the GPU; or "rgb".
        output: As in `ClipLoader`.
        transform: As in `ClipLoader`.
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
        videos_per_batch: int = 1,
        only_views: Collection[int] | None = None,
        skip: Collection[int] = (),
        on_failure: Callable[[str, str], object] | None = None,
        pixels: Pixels = "yuv420",
        output: Output | DictOutput = "batch",
        transform: Callable[[Any], Any] | None = None,
        options: LoaderOptions = LoaderOptions(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__(
            shards,
            split,
            rank=rank,
            world_size=world_size,
            pixels=pixels,
            output=output,
            transform=transform,
            options=options,
        )
        if videos_per_batch < 1:
            raise ValueError(f"videos_per_batch must be at least 1, got {videos_per_batch}.")
        left_out = frozenset(skip)
        rows = [row for row in range(len(self._split)) if row not in left_out][rank::world_size]
        self._batches = [rows[i : i + videos_per_batch] for i in range(0, len(rows), videos_per_batch)]
        self._views, self._on_failure = views, on_failure
        all_views = range(views.num_clips * views.num_crops)
        self._view_numbers = list(all_views) if only_views is None else sorted(only_views)
        if not self._view_numbers or not set(self._view_numbers) <= set(all_views):
            raise ValueError(f"only_views must be among 0 to {all_views[-1]}, got {self._view_numbers}.")
        self._views_per_video = len(self._view_numbers)
        if len(self._split):
            check_rate(views, float(self._split.fps.min()))
        for width, height in self._split.frame_sizes:
            eval_boxes(views, width, height)  # says now which crop does not fit
        self._config = self._work_config(
            longest_side=views.crop_size,
            num_jobs=videos_per_batch,
            views_per_job=self._views_per_video,
            clip_len=views.clip_len,
        )

    def __len__(self) -> int:
        """Return the number of batches of this rank."""
        return len(self._batches)

    def __iter__(self) -> Generator[Any, None, None]:
        """Yield the videos of this rank, in the form set by `output` and `transform`.

        Where `on_failure` is given, it is called instead of raising either error.

        Raises:
            DecodeError: If a video does not decode: an evaluation must see every video.
            ShardError: If a video cannot be read, or is not what the index says.
        """
        if not self._batches:
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
            for rows, filling in zip(self._batches, fillings, strict=True):
                good = self._decoded(filling)
                if not good:
                    continue
                batch = self._batch(engine.ring[filling.slot], rows, good, filling)
                if rows is self._batches[-1]:
                    self._live_iteration = None
                yield from self._hand_out(batch)

    def _requests(self) -> Iterator[list[Request]]:
        for rows in self._batches:
            yield [self._request(row) for row in rows]

    def _request(self, row: int) -> Request:
        video = self._split.video(row)
        clips = eval_frames(self._views, video.num_frames, fps=float(self._split.fps[row]))
        boxes = eval_boxes(self._views, video.width, video.height)
        views = [View(tuple(clip), box) for clip in clips for box in boxes]
        return Request(video, tuple(views[number] for number in self._view_numbers))

    def _decoded(self, filling: Filling) -> list[int]:
        """Return the numbers of a batch's videos that decoded, from 0; tell `on_failure` of the others."""
        good = []
        for number, (video, _) in enumerate(filling.requests):
            message = filling.failures.get(number * self._views_per_video)
            if message is None:
                good.append(number)
                continue
            if self._on_failure is None:
                raise DecodeError(f"{message} An evaluation must see every video.")
            self._stats.num_decode_errors += 1
            self._on_failure(video.key, message)
        return good

    def _batch(self, slot: Uint8s, rows: list[int], good: list[int], filling: Filling) -> Batch:
        per_video = self._views_per_video
        videos = torch.from_numpy(slot)[: len(rows) * per_video]
        if len(good) < len(rows):
            videos = videos[[number * per_video + view for number in good for view in range(per_video)]]
        shown = [filling.requests[number] for number in good]
        views = [view for _, views in shown for view in views]

        def for_each_view(values: list[Any], dtype: torch.dtype) -> torch.Tensor:
            return torch.tensor(values, dtype=dtype).repeat_interleave(per_video)

        return Batch(
            video=videos,
            label=for_each_view([int(self._split.labels[rows[n]]) for n in good], torch.int64),
            key=tuple(video.key for video, _ in shown for _ in range(per_video)),
            frame_indices=torch.from_numpy(np.array([view.frames for view in views], dtype=np.int32)),
            num_frames=for_each_view([video.num_frames for video, _ in shown], torch.int32),
            fps=for_each_view([float(self._split.fps[rows[n]]) for n in good], torch.float64),
            box=torch.from_numpy(np.array([view.box for view in views], dtype=np.int32)),
            flip=torch.zeros(len(views), dtype=torch.bool),
            pixels=self._pixels,
            crop_size=self._views.crop_size,
        )
