"""Primary temporal filters of a network's 3-tap convolutions.

Source: Kobayashi & Ye, WACV 2024, supplement, section A. A kernel is seen as a matrix with a row per tap. Its
first left singular vector is its primary temporal filter, a unit vector, given in the axes

    average [1, 1, 1]/sqrt 3      1st differential [-1, 0, 1]/sqrt 2      2nd differential [-1, 2, -1]/sqrt 6

u and -u are the same filter; the one with z_average >= 0 is kept, so that reversing time flips z_first and
nothing else.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import pandas as pd
import torch

from vidprep.errors import CheckpointError
from vidprep.model.weight_files import Tensors, WeightFile

Matrix = Literal["filter", "pair"]

AXES = {"average": (1, 1, 1), "first": (-1, 0, 1), "second": (-1, 2, -1)}
Z = [f"z_{axis}" for axis in AXES]
SINGULAR = ["singular_1", "singular_2", "singular_3"]


def filter_table(
    file: WeightFile, matrix: Matrix = "filter", *, on_layer: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Return a row for every filter of a network that is not all zero.

    Columns: layer, stage, channel (and in_channel for "pair"), z_average, z_first, z_second (a unit vector),
    singular_1..3 in descending order, share (singular_1 squared over the sum of squares), tap_centre (mean
    position of the energy, in taps: -1 is the past, 0 the centre, 1 the future).

    Args:
        file: Weights of any 3D network.
        matrix: "filter": 3 x (C*H*W), one per output channel. "pair": 3 x (H*W), one per output and input
            channel.
        on_layer: Called with the name of each layer that is done.

    Raises:
        CheckpointError: If there are no 3-tap layers, or a weight is not finite.
    """
    tables = []
    for name, kernel in temporal_layers(file).items():
        if not kernel.isfinite().all():
            raise CheckpointError(f"{file.source}: '{name}' holds weights that are not finite numbers.")
        tables.append(_layer_table(name, kernel, matrix))
        if on_layer:
            on_layer(name)
    table = pd.concat(tables, ignore_index=True)
    layers = list(temporal_layers(file))
    stages = list(dict.fromkeys(map(stage_of, layers)))
    return table.astype({"layer": pd.CategoricalDtype(layers), "stage": pd.CategoricalDtype(stages)})


def stage_of(layer: str) -> str:
    """Return the stage of a layer: `layer2` of `layer2.0.conv2`."""
    return layer.split(".")[0]


def temporal_layers(file: WeightFile) -> Tensors:
    """Return the kernels (O, I, 3, H, W) by layer name, in the file's order.

    Raises:
        CheckpointError: If there are none.
    """
    layers = {
        name.removesuffix(".weight"): tensor
        for name, tensor in file.tensors.items()
        if tensor.ndim == 5 and tensor.shape[2] == 3
    }
    if not layers:
        kind = (
            "a 2D network, which has no temporal filters"
            if file.is_2d
            else "no convolution with three taps, like a network trained with model.temporal_taps=1"
        )
        raise CheckpointError(f"{file.source}: holds {kind}. Pass the weights of a network with three taps.")
    return layers


def count_filters(file: WeightFile, matrix: Matrix = "filter") -> dict[str, int]:
    """Return how many filters each layer has, those that are all zero included."""
    layers = temporal_layers(file).items()
    return {name: kernel.shape[: 1 if matrix == "filter" else 2].numel() for name, kernel in layers}


def primary_filters(grams: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the primary filters' coordinates (N, 3) and descending singular values (N, 3).

    `grams` are Gram matrices (N, 3, 3): their eigenvectors are the left singular vectors of an SVD of the
    kernels.
    """
    values, vectors = torch.linalg.eigh(grams)
    u = vectors[:, :, -1]
    z = u @ _axes().T
    z = torch.where(z[:, :1] < 0, -z, z)
    return z, values.clamp(min=0).sqrt().flip(-1)


def gram_matrices(kernel: torch.Tensor, matrix: Matrix) -> torch.Tensor:
    """Return the products of a kernel's (O, I, 3, H, W) taps with each other, float64.

    The shape is (O, 3, 3) for "filter" and (O, I, 3, 3) for "pair".
    """
    taps = kernel.double().transpose(1, 2) if matrix == "filter" else kernel.double()
    rows = taps.flatten(2 if matrix == "filter" else 3)
    return torch.matmul(rows, rows.transpose(-1, -2))


def _axes() -> torch.Tensor:
    axes = torch.tensor(list(AXES.values()), dtype=torch.float64)
    return torch.nn.functional.normalize(axes)


def _layer_table(name: str, kernel: torch.Tensor, matrix: Matrix) -> pd.DataFrame:
    grams = gram_matrices(kernel, matrix)
    channels = np.indices(grams.shape[:-2]).reshape(grams.ndim - 2, -1)
    grams = grams.reshape(-1, 3, 3)
    energy = grams.diagonal(dim1=1, dim2=2)
    used = energy.sum(1) > 0
    z, singular = primary_filters(grams[used])
    energy = energy[used]
    columns = {"channel": channels[0][used.numpy()].astype("int32")}
    if matrix == "pair":
        columns["in_channel"] = channels[1][used.numpy()].astype("int32")
    columns |= dict(zip(Z, z.T.numpy(), strict=True)) | dict(zip(SINGULAR, singular.T.numpy(), strict=True))
    columns["share"] = (singular[:, 0] ** 2 / (singular**2).sum(1)).numpy()
    columns["tap_centre"] = ((energy[:, 2] - energy[:, 0]) / energy.sum(1)).numpy()
    return pd.DataFrame({"layer": name, "stage": stage_of(name)} | columns, index=range(len(z)))
