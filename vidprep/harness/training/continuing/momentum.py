"""A new run that begins with the weights of an earlier one and with its optimiser's momentum."""

from pathlib import Path

import torch

from vidprep.errors import CheckpointError, HarnessError
from vidprep.model.weight_files import read_checkpoint
from vidprep.recipes.recipe import Optimisation


def take_momentum(path: Path, optimiser: torch.optim.Optimizer, stage: Optimisation) -> str:
    """Put the momentum of a checkpoint into an optimiser, whose settings stay those of its recipe.

    Args:
        path: The checkpoint.
        optimiser: Gets the momentum.
        stage: The settings that it keeps.

    Returns:
        What was taken, in words.

    Raises:
        HarnessError: If the file is no checkpoint of a training, or one of another network.
    """
    try:
        content = read_checkpoint(path)
    except CheckpointError as error:
        raise HarnessError(
            f"--init-optimiser: {error} Only a checkpoint of a training has momentum."
        ) from error
    saved = content.get("optimiser")
    if saved is None:
        raise HarnessError(f"--init-optimiser: {path} holds weights only. Leave --init-optimiser out.")
    try:
        optimiser.load_state_dict(saved)
        for group in optimiser.param_groups:
            group |= {"lr": stage.lr, "momentum": stage.momentum, "weight_decay": stage.weight_decay}
        _check_shapes(optimiser)
    except (ValueError, KeyError, TypeError) as error:
        raise HarnessError(
            f"--init-optimiser: the optimiser of {path} is not of this network: {error}. Its classifier or "
            "its shape is another one; leave --init-optimiser out."
        ) from error
    return "The optimiser's momentum comes with it."


def _check_shapes(optimiser: torch.optim.Optimizer) -> None:
    for parameter, state in optimiser.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"{name} of {tuple(value.shape)} for weights of {tuple(parameter.shape)}")
