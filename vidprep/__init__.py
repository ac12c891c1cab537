"""From raw videos to WebDataset shards, and to a reproducible number.

    build          raw videos -> a shard set            ShardSet        open one
    audit          is the dataset complete?             ClipLoader      random training clips, batch by batch
    verify         are the shards what they should be?  ViewLoader      every view of every video, once
    train          shards -> a trained network          ShardDataset    single samples, for your own sampler
    evaluate       a network -> its accuracy            LoaderOptions   how a loader uses the machine
    write_report   all of it -> one HTML page           Batch           what the loaders give
    subset, merge  shard sets -> another, by copying    rescore         accuracy on common videos
    push, pull     a shard set to a store and back
    explain        one video's story                    passport, compare   do two sets hold the same videos?

`TrainClip` and `EvalViews` say which clips and views; `to_network_input` turns a `Batch` into what a network
takes, and an `Augmenter` does the same with an `Augmentation`; with `DictOutput` loaders give dictionaries
instead of batches; `show` draws clips for a person to look at; every expected failure is a `VidprepError`.
These names are the public interface, described in docs/api.md. Everything else may change from one release to
the next.
"""

from typing import TYPE_CHECKING, Any

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.builder import build as build
    from vidprep.builder.copying.merge import merge as merge
    from vidprep.builder.copying.subset import subset as subset
    from vidprep.builder.explain import explain as explain
    from vidprep.builder.raw_passport import passport_of_raw as passport_of_raw
    from vidprep.datasets import audit as audit
    from vidprep.errors import VidprepError as VidprepError
    from vidprep.harness.evaluation import evaluate as evaluate
    from vidprep.harness.evaluation.comparisons.versus import compare_evaluations as compare_evaluations
    from vidprep.harness.evaluation.rescore import rescore as rescore
    from vidprep.harness.reproduction.run import reproduce as reproduce
    from vidprep.harness.training import train as train
    from vidprep.harness.training.planning.run import plan_training as plan_training
    from vidprep.load import Augmenter as Augmenter
    from vidprep.load import Batch as Batch
    from vidprep.load import ClipLoader as ClipLoader
    from vidprep.load import DictOutput as DictOutput
    from vidprep.load import LoaderOptions as LoaderOptions
    from vidprep.load import ShardDataset as ShardDataset
    from vidprep.load import ViewLoader as ViewLoader
    from vidprep.load.showing import show as show
    from vidprep.load.transforms import to_network_input as to_network_input
    from vidprep.recipes.augmentation import Augmentation as Augmentation
    from vidprep.recipes.recipe import EvalViews as EvalViews
    from vidprep.recipes.recipe import TrainClip as TrainClip
    from vidprep.report import write_report as write_report
    from vidprep.shards import verify as verify
    from vidprep.shards.passports.comparison import compare as compare
    from vidprep.shards.passports.making import passport as passport
    from vidprep.shards.shard_set import ShardSet as ShardSet
    from vidprep.shards.third_party.indexing import index_tars as index_tars
    from vidprep.shards.transfer.pull import pull as pull
    from vidprep.shards.transfer.push import push as push

_MODULES = {
    "Augmentation": "vidprep.recipes.augmentation",
    "Augmenter": "vidprep.load",
    "Batch": "vidprep.load",
    "ClipLoader": "vidprep.load",
    "EvalViews": "vidprep.recipes.recipe",
    "LoaderOptions": "vidprep.load",
    "DictOutput": "vidprep.load",
    "ShardDataset": "vidprep.load",
    "ShardSet": "vidprep.shards.shard_set",
    "TrainClip": "vidprep.recipes.recipe",
    "VidprepError": "vidprep.errors",
    "ViewLoader": "vidprep.load",
    "audit": "vidprep.datasets",
    "build": "vidprep.builder",
    "compare_evaluations": "vidprep.harness.evaluation.comparisons.versus",
    "compare": "vidprep.shards.passports.comparison",
    "evaluate": "vidprep.harness.evaluation",
    "explain": "vidprep.builder.explain",
    "index_tars": "vidprep.shards.third_party.indexing",
    "merge": "vidprep.builder.copying.merge",
    "passport": "vidprep.shards.passports.making",
    "passport_of_raw": "vidprep.builder.raw_passport",
    "plan_training": "vidprep.harness.training.planning.run",
    "pull": "vidprep.shards.transfer.pull",
    "push": "vidprep.shards.transfer.push",
    "reproduce": "vidprep.harness.reproduction.run",
    "rescore": "vidprep.harness.evaluation.rescore",
    "subset": "vidprep.builder.copying.subset",
    "show": "vidprep.load.showing",
    "to_network_input": "vidprep.load.transforms",
    "train": "vidprep.harness.training",
    "verify": "vidprep.shards",
    "write_report": "vidprep.report",
}
__all__ = list(_MODULES)
# `import vidprep` loads neither torch nor Dask, and `vidprep --help` comes at once.
_public_name, _ = lazy_names(__name__, _MODULES)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("vidprep")
    return _public_name(name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
