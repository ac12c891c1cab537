"""`vidprep bench-loader`, `index` and `export`: load shards here, or with other readers."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vidprep.cli.options import ShardsDir
from vidprep.errors import LoaderError

_IN_PLACE = ("energon",)  # readers whose files go into the shard set


def index(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with WebDataset tars of videos.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode.", show_default="one per core")
    ] = None,
) -> None:
    """Write an index.parquet for third-party tars, so that they load like vidprep's own shards."""
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from multiprocessing import get_context

    from vidprep.load.third_party_tars import NO_LABEL, find_tars, index_tar, unique_keys
    from vidprep.shards.index import write_index
    from vidprep.shards.layout import INDEX, MANIFEST

    if (directory / MANIFEST).exists():
        raise LoaderError(
            f"{directory} is a shard set that vidprep made, with its index. Nothing was changed."
        )
    tars = find_tars(directory)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(partial(index_tar, directory=directory), tars))
    rows = unique_keys([row for part in found for row in part.rows])
    for part in found:
        for key, reason in part.rejected.items():
            typer.echo(f"left out: {key}: {reason}", err=True)
    write_index(rows, directory / INDEX)
    num_rejected = sum(len(part.rejected) for part in found)
    unlabelled = sum(row["label"] == NO_LABEL for row in rows)
    typer.echo(
        f"{directory / INDEX}: {len(rows):,} videos in {len(tars):,} tars; {num_rejected:,} left out, "
        f"{unlabelled:,} without a label (-1)."
    )


def bench_loader(
    shards: Annotated[str, typer.Argument(metavar="SHARDS", help="A shard set: its folder or its URL.")],
    split: Annotated[str, typer.Option(help="Which split to load.")] = "train",
    batch_size: Annotated[int, typer.Option(min=1, help="Clips of a batch.")] = 32,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that decode.", show_default="from the cores")
    ] = None,
    pixels: Annotated[str, typer.Option(help="'yuv420' or 'rgb'.")] = "yuv420",
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to measure.")] = 20.0,
    gpu_clips: Annotated[
        float, typer.Option("--gpu-clips-per-second", min=0.1, help="What one GPU trains on.")
    ] = 60.0,
) -> None:
    """Measure how fast training clips load on this machine, and what one GPU needs."""
    from vidprep.load.bench import bench_shards

    if pixels not in ("yuv420", "rgb"):
        raise typer.BadParameter(f"'{pixels}' is neither 'yuv420' nor 'rgb'", param_hint="--pixels")
    report = bench_shards(
        shards,
        split,
        batch_size=batch_size,
        num_workers=workers,
        pixels="rgb" if pixels == "rgb" else "yuv420",
        seconds=seconds,
    )
    typer.echo(report.text(gpu_clips))


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

    from vidprep.cli.display import StepProgress
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
