"""`vidprep export`: what other readers want beside the tars."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vidprep.cli.options import ShardsDir

_IN_PLACE = ("energon",)


def export(
    shards_dir: ShardsDir,
    reader: Annotated[
        Literal["energon", "dali", "files", "csv"],
        typer.Option(
            "--for", help="energon, dali, files (MP4s and lists of them), or csv (lists of byte ranges)."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Where the files go; energon's go into the shard set."),
    ] = None,
) -> None:
    """Write what another reader wants beside the tars; the tars stay as they are.

    Everything comes from index.parquet, so this takes seconds where the readers' own tools read every tar.
    """
    from rich.console import Console

    from vidprep.cli.progress import StepProgress
    from vidprep.shards import exports
    from vidprep.shards.manifest import read_manifest

    if (out is None) != (reader in _IN_PLACE):
        needs = "goes into the shard set and takes no --out" if reader in _IN_PLACE else "needs --out DIR"
        raise typer.BadParameter(f"--for {reader} {needs}.", param_hint="--out")
    if out is None:
        written = exports.export_energon(shards_dir)
    elif reader == "files":
        num_videos = sum(total.used for total in read_manifest(shards_dir).totals.values())
        with StepProgress(num_videos, "videos", Console(stderr=True)) as progress:
            written = exports.export_files(
                shards_dir, out, on_file=lambda done, _: progress.step(done, "writing")
            )
    else:
        written = {"dali": exports.export_dali, "csv": exports.export_csv}[reader](shards_dir, out)
    typer.echo(f"{len(written):,} files written for {reader}, e.g. {written[0]}")
