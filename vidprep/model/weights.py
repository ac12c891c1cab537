"""Put weights from a file into a network, and say what became of each.

Weights of a 2D network are inflated: every 2D kernel is spread over the taps of the 3D one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch

from vidprep.errors import CheckpointError
from vidprep.model.network import Network, build_network
from vidprep.model.resnet import I3DResNet, build_model
from vidprep.model.weight_files import Tensors, WeightFile, read_weights
from vidprep.recipes.recipe import ModelStage

Inflation = Literal["mean", "repeat"]
COUNTER = "num_batches_tracked"  # of a batch norm; old files lack it, and momentum 0.1 does not use it


@dataclass(frozen=True)
class LoadReport:
    """What became of the weights of a file.

    Attributes:
        source: Path of the file.
        form: Form of the file, see `weight_files`.
        inflation: How 2D weights were inflated; None for 3D ones.
        loaded: Names of weights that were loaded, the inflated ones included.
        inflated: Names of kernels that came from a 2D network.
        left: Names in the file that the network has no place for.
        reinitialised: Names of weights drawn at random: a classifier for another number of classes.
        reason: Why they were drawn; empty if none was.
    """

    source: str
    form: str
    inflation: Inflation | None
    loaded: tuple[str, ...]
    inflated: tuple[str, ...]
    left: tuple[str, ...]
    reinitialised: tuple[str, ...]
    reason: str

    def __str__(self) -> str:
        text = f"{self.source} ({self.form} form): {len(self.loaded)} tensors loaded"
        if self.inflated:
            text += f", {len(self.inflated)} of them inflated from 2D by '{self.inflation}'"
        if self.left:
            text += f"; left in the file: {_some(self.left)}"
        if self.reinitialised:
            text += f"; drawn anew: {_some(self.reinitialised)} ({self.reason})"
        return f"{text}."


def load_weights(
    model: I3DResNet, weights: WeightFile | Path | str, *, inflation: Inflation = "mean"
) -> LoadReport:
    """Put weights into a network.

    Everything must fit, with two exceptions: batch-norm counters may be missing, and a classifier for
    another number of classes is left in the file and drawn anew.

    Args:
        model: The network; changed in place.
        weights: A file, or its path.
        inflation: For 2D weights: "mean" gives each of T taps 1/T of the kernel, "repeat" the whole.

    Raises:
        CheckpointError: If the file is unusable, or is for another network.
    """
    file = weights if isinstance(weights, WeightFile) else read_weights(weights)
    _check_depth(model, file)
    places = model.state_dict()
    fitted = {name: _fit(tensor, places, name, inflation) for name, tensor in file.tensors.items()}
    new_fc = _has_other_classes(fitted, model)
    if new_fc:
        model.reset_fc()
    chosen = {name: t for name, t in fitted.items() if name in places and not (new_fc and _is_fc(name))}
    _check_fits(chosen, places, file.source, new_fc)
    model.load_state_dict(chosen, strict=False)
    return _report(file, chosen, model, inflation)


def load_network(weights: WeightFile | Path | str) -> Network:
    """Build the network that a file of 3D weights is for, an I3D-ResNet or a user's own, in eval mode.

    Raises:
        CheckpointError: If the file is unusable, or does not fit the network that it names.
        RecipeError: If the factory that it names cannot be imported.
    """
    file = weights if isinstance(weights, WeightFile) else read_weights(weights)
    if file.stage is None or file.stage.factory is None:
        return load_i3d_resnet(file)
    network = build_network(file.stage, len(file.classes or ()))
    load_own(network, file)
    return network.eval()


def load_own(network: Network, file: WeightFile, *, new_classes: bool = False) -> tuple[str, ...]:
    """Put weights into a network under its own names.

    Args:
        network: The network that a factory made; changed in place.
        file: A file with every weight of the network.
        new_classes: Whether a classifier of another number of classes may keep its random weights.

    Returns:
        Names of the weights that stayed random.

    Raises:
        CheckpointError: If a weight is missing or of another shape.
    """
    places: Tensors = network.state_dict()
    chosen = {name: tensor for name, tensor in file.tensors.items() if name in places}
    other = {name for name, tensor in chosen.items() if tensor.shape != places[name].shape}
    drawn = {name for name in other if new_classes and _is_of_classes(places[name], chosen[name], network)}
    chosen = {name: tensor for name, tensor in chosen.items() if name not in drawn}
    missing = [name for name in places if name not in file.tensors]
    if missing:
        raise CheckpointError(f"{file.source}: weights are missing: {_some(tuple(missing))}.")
    _check_fits(chosen, places, file.source, new_fc=False)
    network.load_state_dict({**places, **chosen})
    return tuple(sorted(drawn))


def _is_of_classes(place: torch.Tensor, tensor: torch.Tensor, network: Network) -> bool:
    same_rest = place.dim() > 0 and place.shape[1:] == tensor.shape[1:]
    return same_rest and place.shape[0] == network.num_classes


def load_i3d_resnet(weights: WeightFile | Path | str, *, temporal_stride: bool = False) -> I3DResNet:
    """Build the I3D-ResNet that a file of 3D weights is for, in eval mode.

    Args:
        weights: A file, or its path.
        temporal_stride: Whether the network has temporal stride, if the file does not say it: the shapes of
            the weights do not tell.

    Raises:
        CheckpointError: If the file is unusable, or holds no I3D-ResNet.
    """
    file = weights if isinstance(weights, WeightFile) else read_weights(weights)
    if file.stage and file.stage.factory:
        raise CheckpointError(
            f"{file.source}: its network is made by '{file.stage.factory}'. Receptive fields need an "
            "I3D-ResNet: which layers it has, and which map is the last, is known of no other network."
        )
    conv1, fc = file.tensors.get("conv1.weight"), file.tensors.get("fc.weight")
    if file.depth is None or file.is_2d or fc is None or conv1 is None or conv1.shape[2] not in (1, 3):
        what = "a 2D network" if file.is_2d else "no I3D-ResNet of depth 18, 34, 50 or 101"
        raise CheckpointError(f"{file.source}: holds {what}. An I3D-ResNet with its classifier is needed.")
    width = conv1.shape[0]
    depth = cast(Literal[18, 34, 50, 101], file.depth)
    taps = cast(Literal[1, 3], conv1.shape[2])
    stage = file.stage or ModelStage(
        depth=depth, width=width, temporal_taps=taps, temporal_stride=temporal_stride
    )
    if stage.width != width:  # before memory is asked for
        raise CheckpointError(
            f"{file.source}: its recipe says model.width={stage.width}, its first convolution has {width} "
            "channels. One of them was changed; take the file as it was written."
        )
    model = build_model(stage, fc.shape[0])
    load_weights(model, file)
    return model.eval()


def inflate(kernel: torch.Tensor, num_taps: int, inflation: Inflation) -> torch.Tensor:
    """Return a 2D kernel (O, I, H, W) as a 3D one (O, I, num_taps, H, W), the same at every tap.

    "mean" divides it by `num_taps`, so that a still clip gives the same output; "repeat" does not.
    """
    taps = kernel.unsqueeze(2).expand(-1, -1, num_taps, -1, -1)
    return taps / num_taps if inflation == "mean" else taps.clone()


def _fit(tensor: torch.Tensor, places: Tensors, name: str, inflation: Inflation) -> torch.Tensor:
    place = places.get(name)
    if place is None or (tensor.ndim, place.ndim) != (4, 5):
        return tensor
    return inflate(tensor, place.shape[2], inflation)


def _check_depth(model: I3DResNet, file: WeightFile) -> None:
    if file.depth == model.depth:
        return
    needed = f"the network is an I3D-ResNet-{model.depth}"
    if file.depth is None:
        names = _some(tuple(file.tensors))
        raise CheckpointError(
            f"{file.source}: holds no ResNet of depth 18, 34, 50 or 101; {needed}. Found: {names}."
        )
    kind = "2D ResNet" if file.is_2d else "I3D-ResNet"
    raise CheckpointError(
        f"{file.source}: holds a {kind}-{file.depth}; {needed}. "
        f"Take other weights, or set model.depth={file.depth}."
    )


def _has_other_classes(tensors: Tensors, model: I3DResNet) -> bool:
    return "fc.weight" not in tensors or tensors["fc.weight"].shape[0] != model.num_classes


def _check_fits(chosen: Tensors, places: Tensors, source: str, new_fc: bool) -> None:
    """Refuse missing names and wrong shapes; the message names the first."""
    wrong = [name for name, tensor in chosen.items() if tensor.shape != places[name].shape]
    if wrong:
        name = wrong[0]
        found, needed = tuple(chosen[name].shape), tuple(places[name].shape)
        hint = _hint(found, needed) if name == "conv1.weight" else ""
        raise CheckpointError(
            f"{source}: '{name}' has shape {found}, the network needs {needed}; {len(wrong)} such.{hint}"
        )
    missing = [
        n for n in places if n not in chosen and not n.endswith(COUNTER) and not (new_fc and _is_fc(n))
    ]
    if missing:
        raise CheckpointError(f"{source}: weights are missing: {_some(tuple(missing))}.")


def _hint(found: tuple[int, ...], needed: tuple[int, ...]) -> str:
    """Say which setting would make the network take a first kernel (O, I, T, H, W)."""
    if found[:1] != needed[:1]:
        return " Set model.width to its number of channels."
    return f" Set model.temporal_taps={found[2]}." if len(found) == 5 and found[2] in (1, 3) else ""


def _report(file: WeightFile, chosen: Tensors, model: I3DResNet, inflation: Inflation) -> LoadReport:
    inflated = tuple(name for name in chosen if file.tensors[name].ndim == 4)
    drawn = tuple(name for name in model.state_dict() if _is_fc(name) and name not in chosen)
    fc = file.tensors.get("fc.weight")
    held = "has no classifier" if fc is None else f"has {fc.shape[0]} classes"
    return LoadReport(
        source=file.source,
        form=file.form,
        inflation=inflation if inflated else None,
        loaded=tuple(chosen),
        inflated=inflated,
        left=tuple(name for name in file.tensors if name not in chosen),
        reinitialised=drawn,
        reason=f"the file {held}, the network {model.num_classes}" if drawn else "",
    )


def _is_fc(name: str) -> bool:
    return name.startswith("fc.")


def _some(names: tuple[str, ...]) -> str:
    rest = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + rest
