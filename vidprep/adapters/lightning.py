"""A LightningDataModule: the shards of this rank, saved and restored with the checkpoint.

    from vidprep.adapters.lightning import ShardDataModule

    data = ShardDataModule(SHARDS, clip=clip, views=views, batch_size=8)
    lightning.Trainer(max_epochs=3).fit(network, data)

`lightning` is imported when `ShardDataModule` is.
"""

from functools import cache
from pathlib import Path
from typing import Any

from vidprep.adapters.framework import import_framework
from vidprep.load.clip_loader import ClipLoader
from vidprep.load.options import LoaderOptions
from vidprep.load.view_loader import ViewLoader
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.shard_set import ShardSet


class ShardLoaders:
    """The loaders of a DataModule; `ShardDataModule` is this and a LightningDataModule.

    Args:
        shards: A shard set, its folder or its URL.
        clip: Which frames and pixels make a training clip.
        views: Which clips and crops are validated; None: no validation.
        batch_size: Clips of a step, over all ranks together.
        seed: Seed of the order and of the clips.
        output: As in `ClipLoader`.
        options: How to use the machine.
    """

    trainer: Any = None

    def __init__(
        self,
        shards: ShardSet | Path | str,
        *,
        clip: TrainClip,
        views: EvalViews | None = None,
        batch_size: int,
        seed: int = 0,
        output: Any = "dict",
        options: LoaderOptions = LoaderOptions(),  # noqa: B008  (frozen)
    ) -> None:
        super().__init__()
        self._shards = shards if isinstance(shards, ShardSet) else ShardSet.open(shards)
        self._clip, self._views, self._batch_size, self._seed = clip, views, batch_size, seed
        self._output, self._options = output, options
        self._train: ClipLoader | None = None
        self._restored: dict[str, Any] | None = None

    def train_dataloader(self) -> ClipLoader:
        """Return the training clips of this rank, from where a restored checkpoint is.

        Raises:
            ValueError: If the ranks do not divide the batch size, or the checkpoint is of other clips.
        """
        if self._train is None:
            rank, world_size = self._place()
            self._train = ClipLoader(
                self._shards,
                "train",
                clip=self._clip,
                batch_size=self._batch_size,
                seed=self._seed,
                output=self._output,
                rank=rank,
                world_size=world_size,
                options=self._options,
            )
            if self._restored is not None:
                self._train.load_state_dict(self._restored)
        return self._train

    def val_dataloader(self) -> ViewLoader | list[Any]:
        """Return the views of this rank's validation videos."""
        if self._views is None:
            return []
        rank, world_size = self._place()
        return ViewLoader(
            self._shards,
            views=self._views,
            rank=rank,
            world_size=world_size,
            output=self._output,
            options=self._options,
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the training loader, for the checkpoint."""
        return {"train": self._train.state_dict()} if self._train else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position, now or when the loader is made.

        Raises:
            ValueError: If the loader is made, and the position is one among other clips.
        """
        self._restored = state.get("train")
        if self._train is not None and self._restored is not None:
            self._train.load_state_dict(self._restored)

    def _place(self) -> tuple[int, int]:
        """Return rank and world size; one process where there is no trainer yet."""
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size


@cache
def _data_module_class() -> type:
    lightning = import_framework(
        "lightning", package="lightning", at_least="2.2", needed_for="ShardDataModule"
    )
    return type("ShardDataModule", (ShardLoaders, lightning.LightningDataModule), {"__module__": __name__})


def __getattr__(name: str) -> Any:
    if name != "ShardDataModule":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _data_module_class()
