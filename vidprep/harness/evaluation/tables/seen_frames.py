"""How many frames of the videos the views of an evaluation show."""

import pyarrow as pa

from vidprep.load.sampling.clips import eval_frames
from vidprep.recipes.recipe import EvalViews
from vidprep.recipes.toml_models import Frozen
from vidprep.shards.shard_set import Split


class SeenFrames(Frozen):
    """Frames of the stored videos of a split, and of these, the ones that no view shows.

    Attributes:
        frames: Frames of all videos together.
        unseen: Frames that are in no clip.
        videos_seen_whole: Videos of which every frame is in a clip.
    """

    frames: int
    unseen: int
    videos_seen_whole: int

    @property
    def unseen_share(self) -> float:
        """Return the share of frames that no view shows, 0 to 1."""
        return self.unseen / self.frames if self.frames else 0.0


def count_seen_frames(split: Split, views: EvalViews) -> SeenFrames:
    """Return how many frames of a split's videos the views show; the crops do not matter here."""
    counted = pa.table({"n": split.index["num_frames"], "fps": pa.array(split.fps)})
    groups = counted.group_by(["n", "fps"]).aggregate([([], "count_all")]).to_pylist()
    frames = unseen = whole = 0
    for group in groups:
        left_out = num_unseen(views, group["n"], fps=group["fps"])
        frames += group["n"] * group["count_all"]
        unseen += left_out * group["count_all"]
        whole += group["count_all"] if not left_out else 0
    return SeenFrames(frames=frames, unseen=unseen, videos_seen_whole=whole)


def num_unseen(views: EvalViews, num_frames: int, *, fps: float = 0.0) -> int:
    """Return how many frames of a video no clip shows.

    3 dense clips of 32 frames, 117 frames -> 21
    """
    shown = {frame for clip in eval_frames(views, num_frames, fps=fps) for frame in clip}
    return num_frames - len(shown)
