"""Training clips in an order that no number of ranks or workers changes."""

import logging
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from vidprep.errors import DecodeError
from vidprep.load.batch import Batch
from vidprep.load.decoding.pixels import Pixels, Uint8s
from vidprep.load.loader import Loader
from vidprep.load.options import LoaderOptions
from vidprep.load.output import DictOutput, Output
from vidprep.load.sampling.order import EpochOrder, Shuffle, rank_slice
from vidprep.load.sampling.train_clip import ClipPlan, ClipPlanner, Clips, VideoFacts
from vidprep.load.workers.scheduler import Filling, Request, fill_slots
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import StoredVideo

_log = logging.getLogger(__name__)


class _Planned(NamedTuple):
    """A video, its rate, and what is to be shown of it."""

    video: StoredVideo
    fps: float
    clips: list[ClipPlan]


class ClipLoader(Loader):
    """Batches of random training clips, epoch after epoch.

    With B = `batch_size`, global batch b of an epoch is samples b * B to (b + 1) * B - 1 in a random order
    that depends on (seed, epoch) only; this rank decodes its share of it. The rest of the epoch, less than a
    batch, is dropped unless `drop_last` is False. A clip, its crop and its flip are functions of (seed,
    epoch, key).

    Iterating goes on from the loader's position to the end of the epoch; the iteration after that is the next
    epoch. Only one iteration may be under way at a time. The workers serve all iterations: they end with
    `close()`, with a `with` block around the loader, when the loader is garbage-collected, or when an
    iteration is left half-way.

        clip = vidprep.TrainClip(clip_len=8, crop_size=32)
        with vidprep.ClipLoader("shards/motion", "train", clip=clip, batch_size=4) as loader:
            for epoch in range(2):
                loader.set_epoch(epoch)
                for batch in loader:
                    clips = vidprep.to_network_input(batch)  # (4, 3, 8, 32, 32)

    It is an `IterableDataset`: `DataLoader(loader, batch_size=None)` gives the same batches to trainers that
    insist on a DataLoader. Its `num_workers` stays 0, for the loader has workers of its own.

    Args:
        shards: A shard set, its folder or its URL.
        split: E.g. "train".
        clip: Which frames and pixels of a video make a clip.
        batch_size: Clips of a global batch, over all ranks together.
        clips: "random", or "centre" for a validation during training: the middle clip and crop, not mirrored,
            the same in every epoch.
        drop_last: Leave out the rest of an epoch that fills no batch. False: it is a smaller last batch, of
            which ranks may get one video more or less than others, and some none.
        seed: Seed of the order and of the clips.
        epoch: The first epoch to give, from 0; see `set_epoch`.
        rank: Number of this process among `world_size`, from 0.
        world_size: Processes that share each global batch.
        shuffle: "full"; "block", within groups of 8 shards, for disks that dislike seeking; or "none".
        pixels: "yuv420", half the bytes, converted by `vidprep.load.transforms` on the GPU; or "rgb".
        output: "batch" for a `Batch`, "dict" for a dictionary of tensors with memory of its own, or a
            `DictOutput` that says what the dictionary holds.
        transform: Called with each batch, in the form set by `output`; what it returns is given instead.
            Tensors and arrays in it that lie in the loader's memory, also inside lists, tuples and
            dictionaries, are copied and may be kept.
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
        clips: Clips = "random",
        drop_last: bool = True,
        pixels: Pixels = "yuv420",
        output: Output | DictOutput = "batch",
        transform: Callable[[Any], Any] | None = None,
        max_decode_errors: int = 0,
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
        self._clip, self._shuffle, self._seed = clip, shuffle, seed
        self._planner = ClipPlanner.of(self._shards, clip, seed=seed, clips=clips)
        self._drop_last, self._batch_size = drop_last, batch_size
        self._videos_per_batch = self._check_batch()
        self._max_decode_errors = max_decode_errors
        self._config = self._work_config(
            longest_side=self._planner.check(self._split),
            num_jobs=self._videos_per_batch // world_size,
            views_per_job=self._planner.clips_per_video,
            clip_len=clip.clip_len,
        )
        self._epoch, self._step = epoch, 0
        self._order(epoch)  # says now what is wrong with the order
        if rank == 0:
            _log.info("%s", self.describe())

    def _check_batch(self) -> int:
        """Return the videos of a global batch."""
        per_video, batch_size = self._planner.clips_per_video, self._batch_size
        unit = self._world_size * per_video
        if batch_size < 1 or batch_size % unit:
            times = f" * clips_per_video = {unit}" if per_video > 1 else f" = {self._world_size}"
            raise ValueError(
                f"batch_size counts the clips of all ranks together and must be a multiple of world_size"
                f"{times}, got {batch_size}."
            )
        num_videos = len(self._split)
        if self._drop_last and batch_size > num_videos * per_video:
            raise ValueError(
                f"batch_size {batch_size} is more than the {num_videos} videos there are. "
                "Use a smaller one, or drop_last=False."
            )
        return batch_size // per_video

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        whole, rest = divmod(len(self._split), self._videos_per_batch)
        return whole + (rest > 0 and not self._drop_last)

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
        rest = len(self._split) % self._videos_per_batch
        what = "are dropped" if self._drop_last else "are a smaller batch"
        workers = f"{self._stats.num_workers} worker{'' if self._stats.num_workers == 1 else 's'}"
        ranks = f"{self._world_size} ranks with {workers} each"
        who = ranks if self._world_size > 1 else f"1 process with {workers}"
        return (
            f"{self._shards.root} {self._split.name}: {len(self._split)} videos in {len(self)} batches of "
            f"{self._batch_size}, the last {rest} of each epoch's order {what}; "
            f"{who}, {self._config.ring.size_bytes / 2**20:.0f} MiB of batches a rank"
        )

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch; a loader that is in that epoch already, e.g. after a resume, stays.

        Raises:
            LoaderError: If that is another epoch and an iteration is not finished.
        """
        if epoch != self._epoch:
            self.seek(epoch=epoch, step=0)

    def seek(self, *, epoch: int, step: int) -> None:
        """Go to a batch: the next iteration begins with it.

        Args:
            epoch: From 0.
            step: Number of the batch in its epoch, from 0.

        Raises:
            ValueError: If there is no such batch.
            LoaderError: If an iteration is not finished.
        """
        if epoch < 0 or not 0 <= step < len(self):
            raise ValueError(
                f"There is no batch {step} of epoch {epoch}: epochs count from 0, and their batches from "
                f"0 to {len(self) - 1}."
            )
        self._check_idle(f"go to batch {step} of epoch {epoch}")
        self._epoch, self._step = epoch, step

    def state_dict(self) -> dict[str, Any]:
        """Return the position after the last batch given, as numbers and text.

        It holds epoch and step, and the shards and settings with which the position means the same batch.
        """
        return {"epoch": self._epoch, "step": self._step, **self._identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position that `state_dict` returned, with any number of ranks and workers.

        Raises:
            ValueError: If it is a position in other shards, in another order of them, or among other clips.
            LoaderError: If an iteration is not finished.
        """
        for name, value in self._identity().items():
            found = _as_today(name, state.get(name, _BEFORE_0_2.get(name, value if name == "clip" else None)))
            if name == "fingerprint" and found != value:
                told = self._shards.describe_other(str(found))
                raise ValueError(f"The saved position is one in {told}.")
            if found != value:
                raise ValueError(
                    f"The saved position is of a loader with {name} = {found!r}, this one has "
                    f"{value!r}. Resume with the shards and settings that the run began with."
                )
        epoch, step = int(state["epoch"]), int(state["step"])
        if step == len(self):  # release 0.1 called the start of an epoch the end of the one before
            epoch, step = epoch + 1, 0
        self.seek(epoch=epoch, step=step)

    def _identity(self) -> dict[str, Any]:
        return {
            "fingerprint": self._shards.fingerprint,
            "split": self._split.name,
            "batch_size": self._batch_size,
            "seed": self._seed,
            "shuffle": self._shuffle,
            "clip": self._clip.model_dump(mode="json"),
            "clips": self._planner.clips,
            "drop_last": self._drop_last,
        }

    def __iter__(self) -> Generator[Any, None, None]:
        """Yield the batches from here to the end of the epoch, in the form set by `output` and `transform`.

        Raises:
            LoaderError: If another iteration over this loader is not finished.
        """
        with self._iteration() as engine:
            epoch, steps = self._epoch, range(self._step, len(self))
            plans: dict[int, list[_Planned]] = {}
            self._stats.lap()
            fillings = fill_slots(
                engine,
                self._requests(epoch, steps, plans),
                num_slots=self._config.ring.num_slots,
                stats=self._stats,
            )
            for step, filling in zip(steps, fillings, strict=True):
                batch = self._batch(engine.ring[filling.slot], plans.pop(step), filling, epoch)
                self._advance(epoch, step)
                yield from self._hand_out(batch)

    def _advance(self, epoch: int, step: int) -> None:
        """Note that a batch is about to be given; the last one finishes its epoch and the iteration."""
        self._epoch, self._step = epoch, step + 1
        if self._step == len(self):
            self._epoch, self._step = epoch + 1, 0
            self._live_iteration = None

    def _requests(
        self, epoch: int, steps: range, plans: dict[int, list[_Planned]]
    ) -> Iterator[list[Request]]:
        """Plan the batches of this rank, and note in `plans` what was planned."""
        order = self._order(epoch)
        for step in steps:
            first = step * self._videos_per_batch
            rows = order.rows(first, first + self._videos_per_batch)
            mine = rank_slice(rows, rank=self._rank, world_size=self._world_size)
            plans[step] = [self._plan(int(row), epoch) for row in mine]
            yield [
                Request(planned.video, tuple(clip.view for clip in planned.clips)) for planned in plans[step]
            ]

    def _plan(self, row: int, epoch: int) -> _Planned:
        facts = VideoFacts.of(self._split, row)
        return _Planned(self._split.video(row), facts.fps, self._planner.plan(facts, epoch))

    def _batch(self, slot: Uint8s, planned: list[_Planned], filling: Filling, epoch: int) -> Batch:
        per_video = self._planner.clips_per_video
        video = torch.from_numpy(slot)[: len(planned) * per_video]
        if filling.failures:
            good = [row for row in range(len(planned)) if row * per_video not in filling.failures]
            self._count_failures(filling)
            video = video[[row * per_video + number for row in good for number in range(per_video)]]
            planned = [planned[row] for row in good]
        clips = [(one, clip) for one in planned for clip in one.clips]
        return Batch(
            video=video,
            label=torch.tensor([clip.label for _, clip in clips], dtype=torch.int64),
            key=tuple(one.video.key for one, _ in clips),
            frame_indices=_int32([clip.view.frames for _, clip in clips], self._clip.clip_len),
            num_frames=torch.tensor([one.video.num_frames for one, _ in clips], dtype=torch.int32),
            fps=torch.tensor([one.fps for one, _ in clips], dtype=torch.float64),
            box=_int32([clip.view.box for _, clip in clips], 4),
            flip=torch.tensor([clip.flip for _, clip in clips], dtype=torch.bool),
            pixels=self._pixels,
            crop_size=self._clip.crop_size,
            epoch=epoch,
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

    def _order(self, epoch: int) -> EpochOrder:
        return EpochOrder(self._split.shard_sizes, seed=self._seed, epoch=epoch, shuffle=self._shuffle)


def _int32(rows: list[Any], width: int) -> torch.Tensor:
    return torch.from_numpy(np.array(rows, dtype=np.int32).reshape(len(rows), width))


# Settings that positions saved by release 0.1 do not hold: there was no choice then.
_BEFORE_0_2 = {"clips": "random", "drop_last": True}


def _as_today(name: str, saved: Any) -> Any:
    """Return a saved setting, with the keys that `TrainClip` has gained since."""
    if name != "clip" or not isinstance(saved, dict):
        return saved
    try:
        return TrainClip.model_validate(saved).model_dump(mode="json")
    except ValueError:
        return saved
