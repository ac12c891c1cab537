"""Options that several commands share, one by one and in groups."""

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_type_hints

import typer

if TYPE_CHECKING:
    from vidprep.load import LoaderOptions
    from vidprep.recipes.own_videos import VideoChoice

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe, e.g. transcode.crf=20."),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="DIR",
        help="Folder of raw videos; repeatable, a later one fills the gaps of the earlier. "
        "Default: $VIDPREP_SSV2, $VIDPREP_K400, ..., else data/ssv2, data/k400, ...",
    ),
]
Annotations = Annotated[
    list[str] | None,
    typer.Option(
        "--annotations",
        metavar="PATH",
        help="Annotation file or folder; repeatable. Default: looked for in the source folders.",
    ),
]
ClassList = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Classes of your own: a text file, one class name a line."),
]
DatasetFile = Annotated[
    Path | None,
    typer.Option("--dataset", metavar="FILE", help="A dataset file of your own; `vidprep init` writes one."),
]
FromFolders = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Your own videos: a folder for each class, under train/ and val/ or not."
    ),
]
FromCsv = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Your own videos: path,label[,split][,start,end] or 'path label' lines; repeatable.",
    ),
]
Root = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The folder that --from-csv's paths are relative to.")
]
ValFraction = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=0.99,
        help="Share of your own videos that becomes the validation split, if nothing says the split.",
    ),
]
ValSeed = Annotated[
    int, typer.Option("--seed", min=0, help="Seed for choosing these videos (see --val-fraction).")
]
Shards = Annotated[str, typer.Option(metavar="DIR", help="A shard set: its folder or its URL.")]
Generation = Annotated[
    int | None,
    typer.Option(
        min=1, metavar="N", help="Read an extended set as it was in generation N.", show_default="the newest"
    ),
]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")]
Weights3D = Annotated[Path | None, typer.Option("--checkpoint", metavar="FILE", help="A file of 3D weights.")]
RunDir = Annotated[
    Path | None, typer.Option("--run", metavar="RUN", help="Or a run's folder: every epoch's checkpoint.")
]
MACHINE = "How to use the machine"
ComputeDevice = Annotated[
    Literal["cpu", "cuda"] | None,
    typer.Option(
        "--device", help="Where to compute.", show_default="cuda if there is", rich_help_panel=MACHINE
    ),
]
DecodeWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=0,
        help="Processes that decode, for each GPU.",
        show_default="from the cores",
        rich_help_panel=MACHINE,
    ),
]
PrecisionName = Annotated[
    Literal["bf16", "fp32"] | None,
    typer.Option(
        "--precision",
        help="Number format of the convolutions.",
        show_default="bf16 on a GPU, fp32 on a CPU",
        rich_help_panel=MACHINE,
    ),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Keep shards behind a URL on this disk.", rich_help_panel=MACHINE),
]
CacheGB = Annotated[
    float | None,
    typer.Option(min=0, help="Size of that cache at most, for all GPUs of a node.", rich_help_panel=MACHINE),
]
ShardsDir = Annotated[Path, typer.Argument(metavar="DIR", help="A shard set.")]
ShardsDirOrUrl = Annotated[
    str, typer.Argument(metavar="DIR|URL", help="A shard set, also in a store: s3://bucket/k400.")
]


@dataclass(frozen=True)
class VideoOptions:
    """Options that say which videos are meant."""

    source: Sources = None
    annotations: Annotations = None
    class_list: ClassList = None
    dataset: DatasetFile = None
    from_folders: FromFolders = None
    from_csv: FromCsv = None
    root: Root = None
    val_fraction: ValFraction = 0.1
    seed: ValSeed = 0
    overrides: Overrides = None

    def check_named(self, name: str | None) -> None:
        """Check that the options say which videos are meant; otherwise it is a usage error."""
        if not (name or self.dataset or self.from_folders or self.from_csv):
            raise typer.BadParameter(
                "which videos? Give a pipeline (see `vidprep pipelines`), --dataset FILE, "
                "--from-folders DIR, or --from-csv FILE with --root DIR.",
                param_hint="NAME",
            )

    def choice(self) -> "VideoChoice":
        """Return the options as arguments of a public function."""
        return {
            "sources": self.source or (),
            "annotations": self.annotations or (),
            "class_list": self.class_list,
            "overrides": self.overrides or (),
            "dataset": self.dataset,
            "from_folders": self.from_folders,
            "from_csv": self.from_csv or (),
            "root": self.root,
            "val_fraction": self.val_fraction,
            "val_seed": self.seed,
        }


@dataclass(frozen=True)
class MachineOptions:
    """Options that say how a network and its loader use the machine."""

    device: ComputeDevice = None
    precision: PrecisionName = None
    workers: DecodeWorkers = None
    cache_dir: CacheDir = None
    cache_gb: CacheGB = None

    def arguments(self) -> dict[str, Any]:
        """Return the options as arguments of a public function."""
        return {"device": self.device, "precision": self.precision, "loading": self._loading()}

    def _loading(self) -> "LoaderOptions":
        from vidprep.load import LoaderOptions

        if (self.cache_dir is None) != (self.cache_gb is None):
            raise typer.BadParameter("--cache-dir and --cache-gb go together: where, and how much at most.")
        cache_bytes = None if self.cache_gb is None else int(self.cache_gb * 1e9)
        return LoaderOptions(num_workers=self.workers, cache_dir=self.cache_dir, cache_bytes=cache_bytes)


def spread_groups(command: Callable[..., object]) -> Callable[..., object]:
    """Turn a command that takes groups of options into one with single options, as typer needs.

    A group is a dataclass whose fields are options: `videos: VideoOptions` of the command becomes --source,
    --annotations and so on of the program, at the same place in its help.
    """
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        group = parameter.annotation
        if not is_dataclass(group):
            parameters.append(parameter)
            continue
        groups[parameter.name] = group
        hints = get_type_hints(group, include_extras=True)
        parameters += [
            parameter.replace(name=field.name, default=field.default, annotation=hints[field.name])
            for field in fields(group)
        ]

    @wraps(command)
    def run(**given: Any) -> object:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**made, **given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def check_one_source(checkpoint: Path | None, run: Path | None) -> None:
    """Check that a command got either a file or a run; anything else is a usage error."""
    if (checkpoint is None) == (run is None):
        given = "both" if run else "neither"
        raise typer.BadParameter(
            f"give one of the two, got {given}.", param_hint="'--checkpoint FILE' / '--run RUN'"
        )
    if checkpoint and checkpoint.is_dir():
        raise typer.BadParameter(
            f"{checkpoint} is a folder; pass a run's with --run.", param_hint="--checkpoint"
        )


def shorten_omp_waiting() -> None:
    """Let PyTorch's threads spin for a moment and then sleep; call this before torch is imported.

    The loader's workers need the same cores: on two busy ones a small network is 4 to 8 times as slow if
    waiting threads spin without limit. Threads that sleep at once are woken too late: on two quiet cores the
    demo trains 12 to 19 % more clips a second with a moment of spinning.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "passive"
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # GNU's, which PyTorch brings on Linux: 0.1 ms or so
