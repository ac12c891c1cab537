"""`vidprep bench-loader`, `index` and `export`: load shards here, or with other readers."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from vidprep.cli.options import ShardsDir

Reader = Literal["energon", "dali", "huggingface", "files", "csv", "croissant"]


def index(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with WebDataset tars of videos.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that decode.", show_default="one per core")
    ] = None,
) -> None:
    """Write an index.parquet for third-party tars, so that they load like vidprep's own shards."""
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import StepProgress

    with StepProgress(0, "tars", Console(stderr=True)) as progress:
        found = vidprep.index_tars(
            directory,
            num_workers=workers,
            on_tar=lambda done, total: progress.update(done, total, "indexing"),
        )
    for key, reason in found.left_out.items():
        typer.echo(f"left out: {key}: {reason}", err=True)
    of_splits = ", ".join(f"{split} {number:,}" for split, number in found.num_videos.items())
    typer.echo(
        f"{found.index_path}: {sum(found.num_videos.values()):,} videos in {found.num_tars:,} tars "
        f"({of_splits or 'none'}); {len(found.left_out):,} left out, "
        f"{found.num_unlabelled:,} without a label (-1)."
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
    gpu_share: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="Share of an H100's peak performance that a training reaches."),
    ] = 0.3,
    gpu_clips: Annotated[
        float | None,
        typer.Option(
            "--gpu-clips-per-second",
            min=0.1,
            help="Clips a second that your GPU trains on: also print how many workers feed it.",
        ),
    ] = None,
) -> None:
    """Measure how fast training clips load on this machine, what limits it, and how many GPUs it feeds."""
    from vidprep.harness.feeding import demands, describe_demands
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
    typer.echo(report.text())
    clip = report.clip
    found = demands(
        report.clips_per_second, clip_len=clip.clip_len, crop_size=clip.crop_size, share=gpu_share
    )
    typer.echo("\n".join(describe_demands(found, share=gpu_share)))
    if gpu_clips is not None:
        needed = report.workers_for(gpu_clips)
        typer.echo(f"One GPU that trains on {gpu_clips:.0f} clips/s needs {needed:.1f} such workers.")


def export(
    shards_dir: ShardsDir,
    reader: Annotated[
        Reader,
        typer.Option(
            "--for",
            help="energon, dali, huggingface (a card that names the labels), files (MP4s and lists of them), "
            "csv (lists of byte ranges), or croissant (a description that machines read).",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Where the files go; those that go into the set take none."
        ),
    ] = None,
) -> None:
    """Write the files that another reader needs beside the tars; the tars stay as they are.

    Everything comes from index.parquet, so this takes seconds where the readers' own tools read every tar.
    """
    from vidprep.shards import exports
    from vidprep.shards.croissant import unfilled_fields, write_croissant

    into_set = {
        "energon": exports.export_energon,
        "huggingface": exports.export_huggingface,
        "croissant": write_croissant,
    }
    into_out = {"dali": exports.export_dali, "files": _export_files, "csv": exports.export_csv}
    if (out is None) != (reader in into_set):
        needs = "goes into the shard set and takes no --out" if reader in into_set else "needs --out DIR"
        raise typer.BadParameter(f"--for {reader} {needs}.", param_hint="--out")
    written = into_set[reader](shards_dir) if out is None else into_out[reader](shards_dir, out)
    typer.echo(f"{len(written):,} files written for {reader}, e.g. {written[0]}")
    if reader == "croissant" and (unfilled := unfilled_fields(shards_dir)):
        typer.echo(
            f"Only you know, so fill in before you publish: {', '.join(unfilled)}. Is the licence still that "
            "of the source's homepage? Videos may be passed on only if it says so; passport.parquet may be."
        )


def _export_files(shards_dir: Path, out_dir: Path) -> list[Path]:
    """Write the videos as files, and show how far it is: only this export takes long."""
    from rich.console import Console

    from vidprep.cli.display import StepProgress
    from vidprep.shards.exports import export_files

    with StepProgress(0, "videos", Console(stderr=True)) as progress:
        return export_files(
            shards_dir, out_dir, on_file=lambda done, total: progress.update(done, total, "writing")
        )
