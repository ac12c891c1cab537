"""`vidprep subset`: a part of a shard set as a set of its own, without decoding."""

from pathlib import Path
from typing import Annotated

import typer

from vidprep.cli.options import ClassList, Overrides, ShardsDir


def subset(
    shards_dir: ShardsDir,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The new shard set.")],
    name: Annotated[
        str | None, typer.Option("--subset", metavar="NAME", help="Pipeline of a subset, e.g. mini_k400.")
    ] = None,
    class_list: ClassList = None,
    ids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Take these videos: a text file, one id a line.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="train|validation", help="Take this split only.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many videos of each split.")] = None,
    overrides: Overrides = None,
) -> None:
    """Make a shard set of a part of a finished one by copying: no video is decoded.

    The tars have the bytes that a build of the part from the raw videos has.
    Stopped? The same command goes on.
    """
    from rich.console import Console

    from vidprep.builder.subset import subset as make_subset
    from vidprep.cli.accounting import accounting_table
    from vidprep.cli.progress import BuildProgress
    from vidprep.recipes.manifests import SPLITS
    from vidprep.shards.ledger import read_ledger

    unknown = set(split or ()) - set(SPLITS)
    if unknown:
        raise typer.BadParameter(f"{min(unknown)!r} is none of {', '.join(SPLITS)}.", param_hint="--split")
    console = Console(highlight=False)
    with BuildProgress(console) as progress:
        result = make_subset(
            shards_dir,
            out,
            subset=name,
            class_list=class_list,
            ids=ids,
            splits=split or SPLITS,
            limit=limit,
            overrides=overrides or (),
            on_event=progress.update,
        )
    console.print(accounting_table(read_ledger(result.out_dir)))
    console.print(f"Shard set: {result.out_dir}", markup=False, soft_wrap=True)
