"""Files of weights: four forms, read without running code.

| form | content |
|---|---|
| vidprep | our checkpoint: a dictionary with `format`, `model`, `recipe`, `classes`, and more |
| ibm | action-recognition-pytorch: a dictionary with `state_dict`, names may start with `module.` |
| plain | names to tensors, as torchvision's files are |
| safetensors | names to tensors |

A pickle that asks for anything but tensors and plain containers is refused (`weights_only=True`).
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from vidprep.errors import CheckpointError
from vidprep.model.checkpoint_bytes import check_bytes
from vidprep.model.network import Network
from vidprep.model.resnet import BLOCKS
from vidprep.recipes.manifests import class_list_hash
from vidprep.recipes.recipe import Chroma, ModelStage, Recipe, Weights

FORMAT = "vidprep checkpoint 1"
Form = Literal["vidprep", "ibm", "plain", "safetensors"]
Tensors = dict[str, torch.Tensor]


# Of checkpoints that do not say it: how release 0.1 converted colours.
RELEASE_0_1_CHROMA: Chroma = "truncated"


@dataclass(frozen=True, repr=False)
class WeightFile:
    """The content of a file of weights.

    Attributes:
        source: Path of the file, for messages.
        form: Form of the file, as in the table above.
        tensors: The weights by name, without `module.` prefixes, on the CPU.
        stage: The network that the file says it is for; only our own checkpoints say so.
        classes: The classes it was trained on, in label order; only in our own checkpoints.
        recipe: The recipe it was trained by; only in our own checkpoints.
        position: `epoch`, `step` within it, `total_steps`; only in checkpoints that a training wrote.
        chroma: How the colours of its training clips were converted, see `yuv420_to_rgb`.
        selected_by: The figures by which it was chosen among the checkpoints of its training; None: it was
            not.
        ema: The average of the weights up to there, under the same names; None: there is none.
    """

    source: str
    form: Form
    tensors: Tensors
    stage: ModelStage | None = None
    classes: tuple[str, ...] | None = None
    recipe: Recipe | None = None
    position: Mapping[str, int] | None = None
    chroma: Chroma = "linear"
    selected_by: str | None = None
    ema: Tensors | None = None

    def of(self, which: Weights) -> "WeightFile":
        """Return the file with "trained" or "ema" weights as its `tensors`.

        Raises:
            CheckpointError: If "ema" is wanted and it holds no average.
        """
        if which == "trained":
            return self
        if self.ema is None:
            raise CheckpointError(
                f"{self.source} holds no average of its weights: a training makes one with "
                "--set optimisation.ema_decay=0.9999 or so. Leave --weights ema out."
            )
        return replace(self, tensors=self.ema)

    @property
    def is_2d(self) -> bool:
        """Tell whether these are the weights of an image network."""
        return "conv1.weight" in self.tensors and self.tensors["conv1.weight"].ndim == 4

    @property
    def depth(self) -> int | None:
        """Return the depth of the ResNet, told from the names of the weights; None for another network."""
        return _depth(self.tensors)


def checkpoint(
    model: Network, recipe: Recipe, classes: tuple[str, ...], *, chroma: Chroma = "linear"
) -> dict[str, Any]:
    """Return our checkpoint of a network; a training adds optimiser, schedule and position to it.

    Args:
        model: The network.
        recipe: Its `[model]` describes the network, and is all that is needed to build it again.
        classes: Class names in label order.
        chroma: How the colours of its training clips are converted, see `yuv420_to_rgb`.

    Raises:
        ValueError: If the network has another number of classes.
    """
    if len(classes) != model.num_classes:
        raise ValueError(f"{len(classes)} class names for a network of {model.num_classes} classes.")
    return {
        "format": FORMAT,
        "model": model.state_dict(),
        "recipe": recipe.model_dump(mode="json"),
        "classes": list(classes),
        "class_list_hash": class_list_hash(classes),
        "chroma": chroma,
    }


def read_weights(path: Path | str) -> WeightFile:
    """Read a file of weights in any of the four forms.

    Raises:
        CheckpointError: If it is missing, damaged, would run code, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"No file of weights at {path}.")
    if path.suffix == ".safetensors":
        return WeightFile(str(path), "safetensors", _named_tensors(_read_safetensors(path), path))
    content = _read_pickle(path)
    if "format" in content and "recipe" in content:
        return _ours(content, path)
    if isinstance(content.get("state_dict"), Mapping):
        return WeightFile(str(path), "ibm", _named_tensors(content["state_dict"], path))
    return WeightFile(str(path), "plain", _named_tensors(content, path))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read all that a checkpoint of our own holds, on the CPU: what a training needs to go on.

    Raises:
        CheckpointError: If it is missing, damaged, would run code, or is of another form.
    """
    if not path.is_file():
        raise CheckpointError(f"No checkpoint at {path}.")
    content = _read_pickle(path)
    _check_format(content, path)
    return content


def _check_format(content: dict[str, Any], path: Path) -> None:
    if content.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: its format is {content.get('format')!r}; this version of vidprep reads {FORMAT!r}."
        )


def _ours(content: dict[str, Any], path: Path) -> WeightFile:
    _check_format(content, path)
    try:
        recipe = Recipe.model_validate(content["recipe"])
        classes = _class_names(content["classes"])
        return WeightFile(
            str(path),
            "vidprep",
            _named_tensors(content["model"], path),
            stage=recipe.model,
            classes=classes,
            recipe=recipe,
            position=content.get("position"),
            chroma=content.get("chroma", RELEASE_0_1_CHROMA),
            selected_by=content.get("selected_by"),
            ema=_named_tensors(content["ema"], path) if "ema" in content else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path}: a checkpoint of vidprep with a part missing or changed: {error}"
        ) from error


def _read_pickle(path: Path) -> dict[str, Any]:
    checked = check_bytes(path)
    if checked == "changed":
        raise CheckpointError(_damaged(path))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(_unsafe_or_damaged(path, error)) from error
    except Exception as error:  # torch raised eleven types for 8,000 files with a few bytes changed
        raise CheckpointError(f"{path}: not a PyTorch file, or damaged ({error}). Fetch it again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not a dictionary of weights.")
    if checked == "other end" and "format" in content:
        raise CheckpointError(_damaged(path))
    return content


def _damaged(path: Path) -> str:
    return (
        f"{path}: damaged: its bytes are not those that were written, by the checksum at its end. Copy it "
        "again, or use the checkpoint before it."
    )


def _unsafe_or_damaged(path: Path, error: pickle.UnpicklingError) -> str:
    """Tell a pickle that wants code from one that is damaged; torch raises the same error for both."""
    wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
    if wanted is None:
        return f"{path}: not a PyTorch file, or damaged. Fetch it again."
    return (
        f"{path}: holds more than weights: it asks for {wanted[1]}, and no code is run from a file. "
        "If you trust its source, write its weights to a file of their own: "
        "torch.save(torch.load(FILE, weights_only=False)['state_dict'], NEW_FILE)."
    )


def _read_safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a safetensors file, or cut short ({error}). Fetch it again."
        ) from error


def _class_names(found: object) -> tuple[str, ...]:
    if not isinstance(found, (list, tuple)) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"'classes' is {found!r:.80}, not a list of names.")
    return tuple(found)


def _named_tensors(content: object, path: Path) -> Tensors:
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path}: its weights are {content!r:.80}, not tensors under names.")
    tensors = {
        name.removeprefix("module."): tensor
        for name, tensor in content.items()
        if isinstance(name, str) and isinstance(tensor, torch.Tensor)
    }
    if not tensors:
        found = ", ".join(map(repr, list(content)[:5])) or "nothing"
        raise CheckpointError(
            f"{path}: holds no weights under names. Found: {found}. Looked for vidprep's 'model', for "
            "'state_dict', and for names like 'conv1.weight'."
        )
    return tensors


def _depth(tensors: Tensors) -> int | None:
    blocks = [{name.split(".")[1] for name in tensors if name.startswith(f"layer{n}.")} for n in (1, 2, 3, 4)]
    counts = tuple(len(numbers) for numbers in blocks)
    convs = 3 if "layer1.0.conv3.weight" in tensors else 2
    for depth, (block, expected) in BLOCKS.items():
        if counts == expected and convs == (3 if block.expansion == 4 else 2):
            return depth
    return None
