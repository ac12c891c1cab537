"""`vidprep subset`, `merge`, `reshard`, `push` and `pull`: make shard sets from others by copying."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidprep.cli.options import ClassList, ShardsDir, ShardsDirOrUrl

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.builder.run import BuildResult
    from vidprep.cli.display import StepProgress
    from vidprep.shards.transfer.push import Transfer

ShardOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key of the recipe: shards.samples_per_shard=500."
    ),
]
OutSet = Annotated[
    str, typer.Option("--out", metavar="DIR|URL", help="The new shard set, in a folder or a store.")
]


def subset(
    shards_dir: ShardsDirOrUrl,
    out: OutSet,
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
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many annotated videos of each split.")
    ] = None,
    overrides: ShardOverrides = None,
) -> None:
    """Make a shard set of a part of a finished one by copying: no video is decoded.

    The tars have the bytes that a build of the part from the raw videos has.
    Stopped? The same command goes on.
    """
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress
    from vidprep.recipes.manifests import SPLITS

    unknown = set(split or ()) - set(SPLITS)
    if unknown:
        raise typer.BadParameter(f"{min(unknown)!r} is none of {', '.join(SPLITS)}.", param_hint="--split")
    console = Console(highlight=False)
    with BuildProgress(console, "to copy") as progress:
        result = vidprep.subset(
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
    _print(result, console)


def merge(
    shards_dirs: Annotated[
        list[str], typer.Argument(metavar="DIR|URL...", help="Shard sets of one dataset, also in stores.")
    ],
    out: OutSet,
    prefer: Annotated[
        Literal["first"] | None,
        typer.Option(help="Where two sets hold different bytes under one id: 'first' takes the first set's."),
    ] = None,
) -> None:
    """Merge several shard sets into one by copying: what one lacks, another may have.

    A video is used if any of them uses it. Stopped? The same command goes on.
    """
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress

    if len(shards_dirs) < 2:
        raise typer.BadParameter("give two shard sets or more.", param_hint="DIR|URL...")
    console = Console(highlight=False)
    with BuildProgress(console, "to copy") as progress:
        result = vidprep.merge(shards_dirs, out, prefer=prefer, on_event=progress.update)
    _print(result, console)


def reshard(
    shards_dir: ShardsDirOrUrl,
    out: OutSet,
    samples_per_shard: Annotated[int, typer.Option(min=1, metavar="N", help="Samples in each tar.")],
) -> None:
    """Make the same shard set with larger or smaller tars, by copying."""
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress

    console = Console(highlight=False)
    setting = f"shards.samples_per_shard={samples_per_shard}"
    with BuildProgress(console, "to copy") as progress:
        result = vidprep.subset(shards_dir, out, overrides=[setting], on_event=progress.update)
    _print(result, console)


def push(
    shards_dir: ShardsDir,
    url: Annotated[str, typer.Argument(metavar="URL", help="Where the copy goes, e.g. s3://bucket/k400.")],
) -> None:
    """Copy a finished shard set to an object store; only what differs, the manifest last.

    Stopped? The same command goes on. The set is then read from there: vidprep train --shards URL.
    """
    from rich.console import Console

    import vidprep

    console = Console(highlight=False)
    with _file_progress(console) as progress:
        done = vidprep.push(shards_dir, url, on_file=progress.update)
    _print_transfer(done, url, console)
    if not done.is_create_only:
        console.print("This store cannot promise that nobody else wrote the manifest at the same moment.")


def pull(
    url: Annotated[str, typer.Argument(metavar="URL", help="A shard set in a store, e.g. s3://bucket/k400.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to copy it to.")],
) -> None:
    """Copy a shard set from an object store; only what differs, and checked.

    Stopped? The same command goes on.
    """
    from rich.console import Console

    import vidprep

    console = Console(highlight=False)
    with _file_progress(console) as progress:
        done = vidprep.pull(url, out, on_file=progress.update)
    _print_transfer(done, str(out), console)


def _file_progress(console: "Console") -> "StepProgress":
    from vidprep.cli.display import StepProgress

    return StepProgress(0, "files", console)


def _print_transfer(done: "Transfer", place: str, console: "Console") -> None:
    console.print(
        f"{done.num_copied:,} files copied ({done.size_bytes / 2**20:,.1f} MiB), {done.num_kept:,} were "
        f"there with the same bytes.\nShard set: {place}",
        markup=False,
        soft_wrap=True,
    )


def _print(result: "BuildResult", console: "Console") -> None:
    from vidprep.cli.display import accounting_table
    from vidprep.shards.ledger import read_ledger
    from vidprep.shards.transfer.outline import is_beside_shards, local_outline

    with local_outline(result.out_dir, wanted=is_beside_shards) as folder:
        console.print(accounting_table(read_ledger(folder)))
    console.print(f"Shard set: {result.out_dir}", markup=False, soft_wrap=True)
