"""The training clips of a video: a function of (seed, epoch, key), the same in every loader."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from vidprep.load.sampling.clips import centre_frames, check_rate, train_frames
from vidprep.load.sampling.crops import centre_box, largest_train_side, train_box
from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.flips import flip_partners, train_flip
from vidprep.load.sampling.views import View
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.shard_set import ShardSet, Split

Clips = Literal["random", "centre"]


class ClipPlan(NamedTuple):
    """Which view of a video a training clip shows, whether it is mirrored, and the label it then has."""

    view: View
    flip: bool
    label: int


class VideoFacts(NamedTuple):
    """The facts of a video that, with seed and epoch, decide its training clips; `fps` is the stored rate."""

    key: str
    label: int
    num_frames: int
    width: int
    height: int
    fps: float

    @classmethod
    def of(cls, split: Split, row: int) -> "VideoFacts":
        """Return the facts of the video in row `row` of a split."""
        video = split.video(row)
        label, fps = int(split.labels[row]), float(split.fps[row])
        return cls(video.key, label, video.num_frames, video.width, video.height, fps)


@dataclass(frozen=True)
class ClipPlanner:
    """Decides what to show of each video of a training split.

    Attributes:
        clip: Which frames and pixels make a clip.
        seed: Seed of the draws.
        clips: "random", or "centre": the clip and crop in the middle, never mirrored, in every epoch.
        partners: See `vidprep.load.sampling.flips`; used where `clip.flip` is "safe".
    """

    clip: TrainClip
    seed: int
    partners: Mapping[int, int | None]
    clips: Clips = "random"

    @classmethod
    def of(cls, shards: ShardSet, clip: TrainClip, *, seed: int, clips: Clips) -> "ClipPlanner":
        """Return the planner for a shard set.

        Raises:
            ShardError: If `clip.flip` is "safe" and the classes are not known.
            ValueError: If `clips` is neither of the two.
        """
        if clips not in ("random", "centre"):
            raise ValueError(f'clips must be "random" or "centre", got {clips!r}.')
        if clips == "centre":
            clip = clip.model_copy(update={"flip": "none"})
        return cls(clip, seed, flip_partners(shards, clip.flip), clips)

    @property
    def clips_per_video(self) -> int:
        """Clips of one video; always 1 with `clips` "centre"."""
        return 1 if self.clips == "centre" else self.clip.clips_per_video

    def check(self, split: Split) -> int:
        """Return the longest side of any crop of a split, after a look at all sizes and rates.

        Raises:
            ValueError: If a crop does not fit into a frame, or a clip has a rate above a stored one.
        """
        if len(split):
            check_rate(self.clip, float(split.fps.min()))
        if self.clips == "centre":
            return max(centre_box(self.clip, *size).height for size in split.frame_sizes)
        return max(largest_train_side(self.clip, *size) for size in split.frame_sizes)

    def plan(self, video: VideoFacts, epoch: int) -> list[ClipPlan]:
        """Return the clips of a video in an epoch.

        Raises:
            ValueError: If a crop does not fit into the frame, or the clip has a rate above the stored one.
        """
        if self.clips == "centre":
            frames = centre_frames(self.clip, video.num_frames, fps=video.fps)
            view = View(tuple(frames), centre_box(self.clip, video.width, video.height))
            return [ClipPlan(view, False, video.label)]
        return [self._random(video, epoch, number) for number in range(self.clip.clips_per_video)]

    def _random(self, video: VideoFacts, epoch: int, number: int) -> ClipPlan:
        # No number for the first clip: it is the same whether or not a video has more clips.
        words: tuple[str | int, ...] = (self.seed, epoch, video.key, *([number] if number else []))
        clip = self.clip
        of_frames = words[:3] if clip.same_frames else words
        frames = train_frames(clip, video.num_frames, Draws("clip", *of_frames), fps=video.fps)
        box = train_box(clip, video.width, video.height, Draws("crop", *words))
        flip, label = train_flip(clip.flip, video.label, self.partners, Draws("flip", *words))
        return ClipPlan(View(tuple(frames), box), flip, label)
