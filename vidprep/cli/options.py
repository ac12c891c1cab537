"""Options that several commands share, and where raw videos lie when nobody says."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

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
        "Default: $VIDPREP_SSV2 / $VIDPREP_K400, else data/ssv2 / data/k400.",
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
    typer.Option(metavar="FILE", help="Classes of one's own: a text file, one class name a line."),
]
Shards = Annotated[str, typer.Option(metavar="DIR", help="A shard set: its folder or its URL.")]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where results go.")]
Weights3D = Annotated[Path | None, typer.Option("--checkpoint", metavar="FILE", help="A file of 3D weights.")]
RunDir = Annotated[
    Path | None, typer.Option("--run", metavar="RUN", help="Or a training: every epoch's checkpoint.")
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
ShardsDir = Annotated[Path, typer.Argument(metavar="DIR", help="A shard set.")]


def absolute(path: str) -> str:
    """Return a path as workers elsewhere understand it; URLs stay as they are."""
    return path if "://" in path else str(Path(path).absolute())


def default_sources(dataset: str, sources: list[str] | None) -> list[str]:
    """Return the given source folders, or where the dataset lies by default."""
    return sources or [os.environ.get(f"VIDPREP_{dataset.upper()}") or f"data/{dataset}"]


def threads_sleep_while_they_wait() -> None:
    """Keep PyTorch's threads from spinning; has to be called before torch is imported.

    The loader's workers want the same cores: on two busy ones a small network is 4 to 8 times as fast so.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
