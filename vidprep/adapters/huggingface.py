"""Train a network of transformers with its Trainer on the loaders of vidprep.

    class VideoTrainer(LoaderTrainerMixin, transformers.Trainer): ...

    train = ClipLoader(SHARDS, clip=clip, batch_size=8, output=PIXEL_VALUES, transform=model_inputs)
    VideoTrainer(model, args, train_dataset=train).train()

This module imports neither transformers nor accelerate.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, IterableDataset

from vidprep.adapters.framework import import_framework
from vidprep.load.clip_loader import ClipLoader
from vidprep.load.output import DictOutput
from vidprep.load.view_loader import ViewLoader

# What transformers' networks for video take: (B, T, C, H, W), normalised like ImageNet.
PIXEL_VALUES = DictOutput(layout="BTCHW", dtype=torch.float32)


def model_inputs(given: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return a loader's dictionary under the names that `VideoMAEForVideoClassification` and others use."""
    return {"pixel_values": given["video"], "labels": given["label"]}


class TrainerEpochs(IterableDataset[Any]):
    """The current epoch of a Trainer, as batches of a ClipLoader.

    Args:
        loader: Gives the batches.
        trainer: A Trainer, whose state tells how many steps are done.
    """

    def __init__(self, loader: ClipLoader, trainer: Any) -> None:
        self._loader, self._trainer = loader, trainer

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of the epoch from the Trainer's step on.

        A Trainer that is resumed discards as many batches as it had trained on: it is given empty ones, so
        that nothing is decoded for them.
        """
        arguments, steps_done = self._trainer.args, self._trainer.state.global_step
        at_a_time = arguments.gradient_accumulation_steps
        steps_per_epoch = math.ceil(len(self._loader) / at_a_time)
        step = 0 if arguments.ignore_data_skip else steps_done % steps_per_epoch * at_a_time
        self._loader.seek(epoch=steps_done // steps_per_epoch, step=step)
        yield from ({} for _ in range(step))
        yield from self._loader


class LoaderTrainerMixin:
    """Makes a `transformers.Trainer` take a `ClipLoader` to train on and a `ViewLoader` to evaluate on.

    The loaders decide order, batch size and epoch; the Trainer's own data options have no effect. A run that
    is resumed, also in mid-epoch, ends in the weights of an uninterrupted one. Evaluation is for one process:
    with several, the Trainer waits for batches that a rank with fewer videos does not have.
    """

    train_dataset: Any
    eval_dataset: Any
    args: Any
    model: Any

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of the ClipLoader, as they are.

        Raises:
            ToolError: If transformers is missing or too old.
            ValueError: If `train_dataset` is no ClipLoader, or one of another rank.
        """
        import_framework(
            "transformers", package="transformers", at_least="4.45", needed_for="LoaderTrainerMixin"
        )
        loader = self.train_dataset
        if not isinstance(loader, ClipLoader):
            raise ValueError(f"train_dataset must be a ClipLoader, got {type(loader).__name__}.")
        found, wanted = (loader.rank, loader.world_size), (self.args.process_index, self.args.world_size)
        if found != wanted:
            raise ValueError(
                f"The ClipLoader is that of rank {found[0]} of {found[1]}, this process is rank {wanted[0]} "
                f"of {wanted[1]}. Make it with rank=args.process_index, world_size=args.world_size."
            )
        return DataLoader(TrainerEpochs(loader, self), batch_size=None)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """Load all weights of a checkpoint.

        The Trainer looks for the names of the network in the file, where some, VideoMAE's among them, have
        older ones; weights that it does not find stay random, with a warning
        (huggingface/transformers, issue 43701). `from_pretrained` knows both.
        """
        super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
        network = self.model if model is None else model
        is_spread = getattr(self, "is_fsdp_enabled", False) or getattr(self, "is_deepspeed_enabled", False)
        if Path(resume_from_checkpoint, "config.json").is_file() and not is_spread:
            saved = type(network).from_pretrained(resume_from_checkpoint)
            network.load_state_dict(saved.state_dict())

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Return the batches of the ViewLoader: every video once.

        Raises:
            ValueError: If there is no ViewLoader, or several processes evaluate.
        """
        loader = eval_dataset if eval_dataset is not None else self.eval_dataset
        if not isinstance(loader, ViewLoader):
            raise ValueError(f"eval_dataset must be a ViewLoader, got {type(loader).__name__}.")
        if self.args.world_size > 1:
            raise ValueError("The Trainer evaluates in one process here; use `vidprep eval` on several.")
        return DataLoader(loader, batch_size=None)

    def get_test_dataloader(self, test_dataset: Any) -> DataLoader[Any]:
        """Return the batches of a ViewLoader, for `predict`; see `get_eval_dataloader`."""
        return self.get_eval_dataloader(test_dataset)
