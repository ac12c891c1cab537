"""Training clips in an order that no number of ranks or workers changes."""

import logging
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vidprep.errors import DecodeError, ShardError
from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels, Uint8s
from vidprep.load.options import LoaderOptions
from vidprep.load.sampling.clips import train_frames
from vidprep.load.sampling.crops import largest_train_side, train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.flips import partner_labels, train_flip
from vidprep.load.sampling.order import EpochOrder, Shuffle, rank_slice
from vidprep.load.sampling.views import View
from vidprep.load.stats import Stats
from vidprep.load.workers.scheduler import Filling, Request, fill_slots
from vidprep.load.workers.setup import running_engine, work_config
from vidprep.recipes.manifests import read_dataset
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import StoredVideo

_log = logging.getLogger(__name__)


class _Clip(NamedTuple):
    """What one row of a batch shows."""

    video: StoredVideo
    view: View
    flip: bool
    label: int


class ClipLoader:
    """Batches of random training clips, epoch after epoch.

    Global batch b of an epoch is samples b * B to (b + 1) * B - 1 of a permutation of (seed, epoch); this
    rank decodes its share of it. The rest of the epoch, less than a batch, is dropped. A clip, its crop and
    its flip are functions of (seed, epoch, key).

    Iterating goes on from the loader's position to the end of the epoch; the next time is the next epoch.
    Workers live as long as the iteration and end with it, however it ends.

        loader = ClipLoader("shards/mini_k400", "train", clip=recipe.train_clip, batch_size=32)
        for epoch in range(45):
            loader.set_epoch(epoch)
            for batch in loader:
                ...

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "train".
        clip: Which frames and pixels of a video make a clip.
        batch_size: Clips of a global batch, over all ranks together.
        seed: Of the order and of the clips.
        rank: Of this process among `world_size`.
        shuffle: "full"; "block", within groups of 8 shards, for disks that dislike seeking; or "none".
        pixels: "yuv420", half the bytes, converted by `vidprep.load.transforms` on the GPU; or "rgb".
        max_decode_errors: Videos that may fail to decode before the loader gives up. They are missing from
            their batch, never replaced.
        options: How to use the machine.

    Raises:
        ShardError: If the shard set is not complete.
        ValueError: If the arguments do not fit each other or the shards.
    """

    def __init__(
        self,
        shards: ShardSet | Path | str,
        split: str = "train",
        *,
        clip: TrainClip,
        batch_size: int,
        seed: int = 0,
        epoch: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: Shuffle = "full",
        pixels: Pixels = "yuv420",
        max_decode_errors: int = 0,
        options: LoaderOptions = LoaderOptions(),  # noqa: B008  (frozen)
    ) -> None:
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._split = self._shards.split(split)
        self._clip, self._pixels, self._shuffle, self._seed = clip, pixels, shuffle, seed
        self._rank, self._world_size = rank, world_size
        self._batch_size = _check_batch(batch_size, rank, world_size, len(self._split))
        self._max_decode_errors = max_decode_errors
        self._options = options
        self._shards.check_shards(split)
        self._partners = _flip_partners(self._shards) if clip.flip == "safe" else {}
        self._config = work_config(
            self._shards,
            options,
            pixels=pixels,
            longest_side=max(largest_train_side(clip, *size) for size in self._split.frame_sizes),
            num_jobs=batch_size // world_size,
            views_per_job=1,
            clip_len=clip.clip_len,
        )
        self._stats = Stats(num_workers=options.workers())
        self._epoch, self._step = epoch, 0
        self._order_of_epoch()
        if rank == 0:
            _log.info("%s", self.describe())

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return len(self._split) // self._batch_size

    @property
    def epoch(self) -> int:
        """The epoch of the next batch."""
        return self._epoch

    @property
    def step(self) -> int:
        """The number of the next batch in its epoch."""
        return self._step

    def describe(self) -> str:
        """Say in a few words what is loaded and how."""
        dropped = len(self._split) % self._batch_size
        return (
            f"{self._shards.root} {self._split.name}: {len(self._split)} videos in {len(self)} batches of "
            f"{self._batch_size}, the last {dropped} of each epoch's order are dropped; "
            f"{self._world_size} ranks with {self._stats.num_workers} workers each, "
            f"{self._config.ring.size_bytes / 2**20:.0f} MiB of batches a rank"
        )

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; in the epoch one is in already, e.g. after a resume, stay put."""
        if epoch != self._epoch:
            self._epoch, self._step = epoch, 0
            self._order_of_epoch()

    def seek(self, *, epoch: int, step: int) -> None:
        """Go to batch `step` of an epoch; the number of batches is the end of the epoch.

        Raises:
            ValueError: If the epoch has no such batch.
        """
        if epoch < 0 or not 0 <= step <= len(self):
            raise ValueError(f"epoch {epoch}, step {step}: an epoch has steps 0 to {len(self)}.")
        self._epoch, self._step = epoch, step
        self._order_of_epoch()

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch given, and in what it is one: plain numbers and text."""
        return {"epoch": self._epoch, "step": self._step, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position, of a loader with any number of ranks and workers.

        Raises:
            ValueError: If it is a position in other shards, or in another order of them.
        """
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise ValueError(
                    f"The saved position is of a loader with {name} = {state.get(name)!r}, this one has "
                    f"{value!r}. Resume with the shards and settings that the run began with."
                )
        self.seek(epoch=int(state["epoch"]), step=int(state["step"]))

    def _identity(self) -> dict[str, Any]:
        return {
            "fingerprint": self._shards.fingerprint,
            "split": self._split.name,
            "batch_size": self._batch_size,
            "seed": self._seed,
            "shuffle": self._shuffle,
        }

    def stats(self) -> Stats:
        """Return where the time went so far."""
        return self._stats

    def __iter__(self) -> Generator[Batch, None, None]:
        """Yield the batches from here to the end of the epoch."""
        with running_engine(self._config, self._options) as engine:
            plans: dict[int, list[_Clip]] = {}
            requests = self._requests(range(self._step, len(self)), plans)
            self._stats.lap()
            for filling in fill_slots(
                engine, requests, num_slots=self._config.ring.num_slots, stats=self._stats
            ):
                batch = self._batch(engine.ring[filling.slot], plans.pop(self._step), filling)
                self._step += 1
                self._stats.collate += self._stats.lap()
                yield batch
                batch.release()
                self._stats.consume += self._stats.lap()
        self.set_epoch(self._epoch + 1)

    def _requests(self, steps: range, plans: dict[int, list[_Clip]]) -> Iterator[list[Request]]:
        """Plan the batches of this rank, and note in `plans` what was planned."""
        for step in steps:
            rows = self._order.rows(step * self._batch_size, (step + 1) * self._batch_size)
            mine = rank_slice(rows, rank=self._rank, world_size=self._world_size)
            plans[step] = [self._plan(int(row)) for row in mine]
            yield [Request(plan.video, (plan.view,)) for plan in plans[step]]

    def _plan(self, row: int) -> _Clip:
        video = self._split.video(row)
        who = (self._seed, self._epoch, video.key)
        frames = train_frames(self._clip, video.num_frames, Draws("clip", *who))
        box = train_box(self._clip, video.width, video.height, Draws("crop", *who))
        label = int(self._split.labels[row])
        flip, label = train_flip(self._clip.flip, label, self._partners, Draws("flip", *who))
        return _Clip(video, View(tuple(frames), box), flip, label)

    def _batch(self, slot: Uint8s, clips: list[_Clip], filling: Filling) -> Batch:
        video = torch.from_numpy(slot)
        if filling.failures:
            good = [row for row in range(len(clips)) if row not in filling.failures]
            self._count_failures(filling)
            video, clips = video[good], [clips[row] for row in good]
        return Batch(
            video=video,
            label=torch.tensor([clip.label for clip in clips], dtype=torch.int64),
            key=tuple(clip.video.key for clip in clips),
            frame_indices=_int32([clip.view.frames for clip in clips], self._clip.clip_len),
            box=_int32([clip.view.box for clip in clips], 4),
            flip=torch.tensor([clip.flip for clip in clips], dtype=torch.bool),
            pixels=self._pixels,
            crop_size=self._clip.crop_size,
        )

    def _count_failures(self, filling: Filling) -> None:
        for message in filling.failures.values():
            self._stats.num_decode_errors += 1
            if self._stats.num_decode_errors > self._max_decode_errors:
                raise DecodeError(
                    f"{message} {self._stats.num_decode_errors} videos did not decode, "
                    f"max_decode_errors is {self._max_decode_errors}."
                )
            _log.warning("%s It is missing from its batch.", message)

    def _order_of_epoch(self) -> None:
        self._order = EpochOrder(
            self._split.shard_sizes, seed=self._seed, epoch=self._epoch, shuffle=self._shuffle
        )


def _int32(rows: list[Any], width: int) -> torch.Tensor:
    return torch.from_numpy(np.array(rows, dtype=np.int32).reshape(len(rows), width))


def _check_batch(batch_size: int, rank: int, world_size: int, num_samples: int) -> int:
    if not 0 <= rank < world_size:
        raise ValueError(f"rank must be from 0 to world_size - 1 = {world_size - 1}, got {rank}.")
    if batch_size < 1 or batch_size % world_size:
        raise ValueError(
            f"batch_size counts the clips of all ranks together and must be a multiple of world_size = "
            f"{world_size}, got {batch_size}."
        )
    if batch_size > num_samples:
        raise ValueError(f"batch_size {batch_size} is more than the {num_samples} videos there are.")
    return batch_size


def _flip_partners(shards: ShardSet) -> dict[int, int | None]:
    if shards.manifest is None:
        raise ShardError(
            f'{shards.root} has no manifest, so nobody knows which classes mirror each other: flip = "safe" '
            'is not possible. Use "none" or "all".'
        )
    pairs = [pair.classes for pair in read_dataset(shards.manifest.recipe.dataset.name).flip_partners]
    return partner_labels(shards.classes, pairs)
