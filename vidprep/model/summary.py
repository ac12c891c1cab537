"""A network in a table: stages, output shapes, parameters, multiply-accumulates, receptive fields.

The network runs on the meta device, where tensors have shapes and no contents, so nothing is computed.
"""

import copy
import math
from dataclasses import dataclass

import torch
from torch import nn

from vidprep.model.receptive_field import Field, receptive_fields
from vidprep.model.resnet import I3DResNet

STAGES = ("conv1", "maxpool", "layer1", "layer2", "layer3", "layer4", "fc")


@dataclass(frozen=True)
class Stage:
    """One stage of the network.

    Attributes:
        name: Name of the stage; "conv1" includes its batch norm and ReLU.
        output_shape: (C, T, H, W); for the head (num_classes,), the logits averaged over frames.
        num_parameters: Trainable parameters, batch norm included.
        num_macs: Multiply-accumulates of convolutions and the classifier for one clip.
        field: Theoretical receptive field of its output; None for the head, which sees everything.
    """

    name: str
    output_shape: tuple[int, ...]
    num_parameters: int
    num_macs: int
    field: Field | None


@dataclass(frozen=True)
class Summary:
    """A network on clips of one size.

    Attributes:
        clip_shape: (3, T, H, W).
        stages: The stages in order.
        num_conv_macs: Multiply-accumulates of the convolutions alone, the figure that is usually quoted.
        num_temporal_layers: Convolutions with three temporal taps.
        num_temporal_filters: Output channels of these layers.
        num_temporal_kernels: Pairs of an output and an input channel of these layers.
    """

    clip_shape: tuple[int, int, int, int]
    stages: tuple[Stage, ...]
    num_conv_macs: int
    num_temporal_layers: int
    num_temporal_filters: int
    num_temporal_kernels: int

    @property
    def num_parameters(self) -> int:
        """Return the number of trainable parameters."""
        return sum(stage.num_parameters for stage in self.stages)

    @property
    def field(self) -> Field:
        """Return the receptive field of the last feature map."""
        return next(stage.field for stage in reversed(self.stages) if stage.field)


def summarise(model: I3DResNet, *, num_frames: int = 32, size: int = 224) -> Summary:
    """Summarise a network on clips 3 x `num_frames` x `size` x `size`."""
    clip_shape = (3, num_frames, size, size)
    shapes = _output_shapes(model, clip_shape)
    macs = {name: _macs(layer, shapes[name]) for name, layer in _counted(model).items()}
    fields = receptive_fields(model)
    stages = tuple(_stage(name, model, shapes, macs, fields) for name in STAGES)
    temporal = [
        layer for layer in model.modules() if isinstance(layer, nn.Conv3d) and layer.kernel_size[0] == 3
    ]
    return Summary(
        clip_shape=clip_shape,
        stages=stages,
        num_conv_macs=sum(count for name, count in macs.items() if name != "fc"),
        num_temporal_layers=len(temporal),
        num_temporal_filters=sum(layer.out_channels for layer in temporal),
        num_temporal_kernels=sum(layer.out_channels * layer.in_channels for layer in temporal),
    )


def _output_shapes(model: I3DResNet, clip_shape: tuple[int, ...]) -> dict[str, torch.Size]:
    """Return the shape that each module puts out for one clip, by name; the batch axis is 1."""
    meta = copy.deepcopy(model).to("meta").eval()
    shapes: dict[str, torch.Size] = {}
    for name, module in meta.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: out.shape}))
    with torch.no_grad():
        meta(torch.empty(1, *clip_shape, device="meta"))
    return shapes


def _counted(model: I3DResNet) -> dict[str, nn.Conv3d | nn.Linear]:
    modules = model.named_modules()
    return {name: layer for name, layer in modules if isinstance(layer, nn.Conv3d | nn.Linear)}


def _macs(layer: nn.Conv3d | nn.Linear, output_shape: torch.Size) -> int:
    return math.prod(output_shape) * math.prod(layer.weight.shape[1:])


def _stage(
    name: str,
    model: I3DResNet,
    shapes: dict[str, torch.Size],
    macs: dict[str, int],
    fields: dict[str, Field],
) -> Stage:
    parts = ("conv1", "bn1") if name == "conv1" else (name,)
    inside = [key for key in fields if _is_inside(key, name)]
    return Stage(
        name=name,
        output_shape=(model.num_classes,) if name == "fc" else tuple(shapes[name][1:]),
        num_parameters=sum(p.numel() for part in parts for p in model.get_submodule(part).parameters()),
        num_macs=sum(count for key, count in macs.items() if _is_inside(key, name)),
        field=fields[inside[-1]] if inside else None,
    )


def _is_inside(key: str, stage: str) -> bool:
    return key == stage or key.startswith(f"{stage}.")
