"""The network of a recipe: an I3D-ResNet, or one that a user's own function builds."""

import importlib
import math
from typing import Any, cast

import torch
from torch import nn

from vidprep.errors import RecipeError
from vidprep.model.resnet import I3DResNet, build_model
from vidprep.recipes.recipe import ModelStage
from vidprep.recipes.toml_models import nearest


class FactoryNetwork(nn.Module):
    """A user's own network behind the interface that the harness expects; its weights keep their names.

    Attributes:
        factory: "package.module:function" that built it.
        num_classes: Number of logits that it has to give.
    """

    def __init__(self, inner: nn.Module, factory: str, num_classes: int) -> None:
        super().__init__()
        self.inner = inner
        self.factory = factory
        self.num_classes = num_classes

    def forward(self, clips: torch.Tensor, kept: torch.Tensor | None = None) -> torch.Tensor:
        """Return logits (B, num_classes) of clips (B, 3, T, H, W).

        Args:
            clips: Normalised.
            kept: Always None: such a network draws its dropout itself.

        Raises:
            RecipeError: If something else comes out.
        """
        logits = self.inner(clips)
        wanted = (len(clips), self.num_classes)
        if not isinstance(logits, torch.Tensor) or tuple(logits.shape) != wanted:
            found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
            raise RecipeError(
                f"model.factory '{self.factory}': its network gives {found} for clips of shape "
                f"{tuple(clips.shape)}; logits of shape {wanted} are needed."
            )
        return logits

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the weights by the network's own names."""
        return self.inner.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Put weights under the network's own names into it."""
        return self.inner.load_state_dict(*args, **kwargs)


Network = I3DResNet | FactoryNetwork


def build_network(stage: ModelStage, num_classes: int) -> Network:
    """Build the network that a recipe's `[model]` describes, with freshly drawn weights.

    Raises:
        RecipeError: If its factory is not there, does not take the table's keys, or returns no network.
    """
    if stage.factory is None:
        return build_model(stage, num_classes)
    make = _find_factory(stage.factory)
    given = {"num_classes": num_classes, **stage.arguments}
    try:
        network = make(**given)
    except (TypeError, ValueError) as error:
        called = ", ".join(f"{name}={value!r}" for name, value in given.items())
        raise RecipeError(f"model.factory '{stage.factory}', called with {called}: {error}") from error
    if not isinstance(network, nn.Module):
        raise RecipeError(
            f"model.factory '{stage.factory}' returns a {type(network).__name__}; a torch.nn.Module "
            "is needed."
        )
    return FactoryNetwork(network, stage.factory, num_classes)


def count_network(network: Network, clip_shape: tuple[int, int, int, int]) -> dict[str, Any]:
    """Run one clip of zeros through a network and count its parameters and multiply-accumulates.

    Args:
        network: An I3D-ResNet or a user's own; it is put into eval mode.
        clip_shape: (3, T, H, W).
    """
    macs: list[int] = []

    def count(layer: nn.Module, _: object, out: torch.Tensor) -> None:
        assert isinstance(layer.weight, torch.Tensor)
        macs.append(out.numel() * math.prod(layer.weight.shape[1:]))

    for layer in network.modules():
        if isinstance(layer, nn.Conv3d | nn.Conv2d | nn.Linear):
            layer.register_forward_hook(count)
    with torch.inference_mode():
        network.eval()(torch.zeros(1, *clip_shape))
    return {
        "clip_shape": clip_shape,
        "num_classes": network.num_classes,
        "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
        "num_macs": sum(macs),
    }


def put_on(network: nn.Module, device: torch.device) -> None:
    """Move a network to a device, its 3D kernels in `channels_last_3d` order, in which they are fastest."""
    network.to(device)
    if all(weight.dim() != 4 for weight in network.parameters()):  # torch knows no such layout of 2D kernels
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]


def _find_factory(factory: str) -> Any:
    module_name, _, name = factory.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RecipeError(
            f"model.factory '{factory}': {error}. Install its package, or name the folder of a file: "
            f"PYTHONPATH=DIR vidprep ..."
        ) from error
    found = getattr(module, name, None)
    if not callable(found):
        known = [each for each in vars(module) if callable(getattr(module, each)) and each[0] != "_"]
        raise RecipeError(
            f"model.factory '{factory}': {module.__file__ or module_name} has no function '{name}'."
            f"{nearest(name, known)}"
        )
    return cast(Any, found)
