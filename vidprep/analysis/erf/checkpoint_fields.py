"""Measure the effective receptive fields of several checkpoints; a stop costs one draw at most.

A finished field is in a file of its own, with a hash of all that it depends on; the same command uses it
again.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidprep.analysis.erf.files import Kept, read_arrays, write_arrays
from vidprep.analysis.erf.measure import FeatureMap, Neuron, measure_erf
from vidprep.errors import CheckpointError
from vidprep.model.receptive_field import Field, receptive_fields
from vidprep.model.weights import load_i3d_resnet


@dataclass(frozen=True)
class Target:
    """A field to measure.

    Attributes:
        name: Name of the network, for figures and progress.
        checkpoint: File of its weights.
        field_path: Path of the file of the field.
        epoch: Epoch of the training that the weights are from; None: not known.
    """

    name: str
    checkpoint: Path
    field_path: Path
    epoch: int | None = None

    @property
    def draws_path(self) -> Path:
        """Return the path of the sum of draws, which exists until all draws are made."""
        return self.field_path.with_suffix(".draws.npz")


@dataclass(frozen=True)
class Settings:
    """How each network is measured.

    Attributes:
        clip_shape: (T, H, W) of the noise clips.
        neuron: (t, h, w) of a neuron in the last feature map.
        num_draws: Number of noise clips.
        seed: Seed of the noise.
        temporal_stride: Whether networks have temporal stride whose files do not say it.
    """

    clip_shape: Neuron
    neuron: Neuron
    num_draws: int
    seed: int
    temporal_stride: bool

    def draw_identity(self, checkpoint: Path) -> str:
        """Return a hash of the weights and of all that decides a draw."""
        with checkpoint.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256")
        digest.update(repr([self.clip_shape, self.neuron, self.seed, self.temporal_stride]).encode())
        return digest.hexdigest()[:16]


def common_field(checkpoints: Sequence[Path], temporal_stride: bool) -> Field:
    """Return the theoretical receptive field, which has to be the same for all that are compared.

    Each file is read, so that an unusable one is reported before hours of work.

    Raises:
        CheckpointError: If a file is unusable, or of a network with another field.
    """
    common: Field | None = None
    for path in checkpoints:
        field = list(receptive_fields(load_i3d_resnet(path, temporal_stride=temporal_stride)).values())[-1]
        common = common or field
        if field != common:
            sizes = ["x".join(str(axis.size) for axis in each) for each in (field, common)]
            raise CheckpointError(
                f"{path}: its theoretical receptive field is {sizes[0]}, that of {checkpoints[0]} is "
                f"{sizes[1]} or moves in other steps. Compare networks of one depth and temporal stride."
            )
    assert common is not None  # there is a checkpoint
    return common


def measure_field(
    target: Target, settings: Settings, on_draw: Callable[[int], None] = lambda done: None
) -> np.ndarray:
    """Return the field of a checkpoint, (3, T, H, W) float32: from its file, or measured now.

    Args:
        target: The checkpoint.
        settings: How it is measured.
        on_draw: Called after each draw with the number of draws made.
    """
    draws = settings.draw_identity(target.checkpoint)
    identity = f"{draws}-{settings.num_draws}"
    if found := read_arrays(target.field_path, identity):
        return found["erf"]
    kept = Kept(target.draws_path, draws)
    field = measure_erf(
        FeatureMap(load_i3d_resnet(target.checkpoint, temporal_stride=settings.temporal_stride)),
        settings.clip_shape,
        settings.neuron,
        num_draws=settings.num_draws,
        seed=settings.seed,
        kept=kept,
        on_draw=lambda done, total: on_draw(done),
    )
    write_arrays(target.field_path, identity, compress=True, erf=field)
    kept.remove()
    return field
