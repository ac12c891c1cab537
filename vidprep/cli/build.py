"""`vidprep build`, `build-mini` and `status`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidprep.cli.options import Annotations, ClassList, Overrides, ShardsDirOrUrl, Sources, VideoOptions

if TYPE_CHECKING:
    from rich.console import Console

    from vidprep.builder.run import BuildResult
    from vidprep.recipes.own_videos import VideoChoice
    from vidprep.recipes.recipe import Recipe

Out = Annotated[str | None, typer.Option(metavar="DIR|URL", help="The shard set. Default: shards/NAME.")]


@dataclass(frozen=True)
class BuildOptions:
    """Options of a build, apart from which videos: which workers build, how much, and into which set."""

    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Worker processes on this machine.", show_default="one per core"),
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Use a running Dask scheduler, e.g. tcp://node7:8786."),
    ] = None
    slurm: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=VALUE,...",
            help="Let SLURM start the workers: nodes=4,cores=8,time=04:00:00,partition=main,account=lab.",
        ),
    ] = None
    in_process: Annotated[
        bool, typer.Option("--sync", help="One video after the other in this process; for debugging.")
    ] = False
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many annotated videos of each split.")
    ] = None
    ffmpeg: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Another FFmpeg than the pinned one that comes with vidprep."),
    ] = None
    extend: Annotated[
        bool,
        typer.Option(
            "--extend", help="Add to a finished set the videos that were missing and are there now."
        ),
    ] = False
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="REASON,...",
            help="With --extend: also try anew the videos rejected for these reasons, e.g. "
            "crashed,timed_out.",
        ),
    ] = None
    checksums: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="List of checksums (sha256sum, md5sum): videos that differ are rejected; repeatable.",
        ),
    ] = None
    array: Annotated[
        str | None,
        typer.Option(
            metavar="I/N", help="Build the I-th of N shares only, beside the other tasks of a job array."
        ),
    ] = None
    finalise: Annotated[
        bool,
        typer.Option(
            "--finalise",
            help="Build nothing; only make the set from the shards that a job array has finished.",
        ),
    ] = False

    metrics_port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", help="Serve metrics for Prometheus on 127.0.0.1:PORT; 0: any free port."
        ),
    ] = None

    def arguments(self) -> dict[str, Any]:
        """Return the options as arguments of `vidprep.build`; refuse options that exclude each other."""
        from vidprep.builder.engines.slurm_jobs import SlurmJobs
        from vidprep.builder.from_raw import check_array
        from vidprep.builder.progress.metrics import check_metrics_port

        others = (self.workers is not None, self.scheduler is not None, self.slurm is not None)
        if sum((*others, self.in_process)) > 1:
            raise typer.BadParameter("--workers, --scheduler, --slurm and --sync exclude each other.")
        if self.slurm is not None:
            with _wrong_usage("--slurm"):
                SlurmJobs.parse(self.slurm)
        with _wrong_usage("--array" if self.array else "--finalise"):
            scheduler = self.scheduler or self.slurm
            check_array(self.array, finalise=self.finalise, extend=self.extend, scheduler=scheduler)
        with _wrong_usage("--metrics-port"):
            check_metrics_port(self.metrics_port)
        return vars(self) | {"retry": self._reasons(), "checksums": self.checksums or ()}

    def _reasons(self) -> list[str]:
        from vidprep.builder.extending.candidates import check_retry

        reasons = [reason.strip() for reason in (self.retry or "").split(",") if reason.strip()]
        with _wrong_usage("--retry"):
            check_retry(reasons, extend=self.extend)
        return reasons


@contextmanager
def _wrong_usage(option: str) -> Iterator[None]:
    """Turn a ValueError into a usage error about an option."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def build(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A pipeline's name (see `vidprep pipelines`) or a TOML file.", show_default="the defaults"
        ),
    ] = None,
    out: Out = None,
    *,
    videos: VideoOptions,
    options: BuildOptions,
) -> None:
    """Turn raw videos into a shard set; the same command resumes a build that was stopped.

    Every annotated video ends up used, missing or rejected with a reason: see `vidprep ledger`. --extend adds
    shards behind those of a finished set; `--generation 1` of other commands then reads it as it was.
    Your own videos need no pipeline: vidprep build --from-folders DIR.
    """
    videos.check_named(name)
    _build(name, out, videos.choice(), options.arguments())


def build_mini(
    src: Annotated[
        str, typer.Option(metavar="ssv2|k400", help="The full dataset that the videos come from.")
    ],
    classes: Annotated[
        int | None, typer.Option(help="87 for ssv2, 200 for k400.", show_default="the subset's")
    ] = None,
    out: Out = None,
    source: Sources = None,
    annotations: Annotations = None,
    class_list: ClassList = None,
    overrides: Overrides = None,
    *,
    options: BuildOptions,
) -> None:
    """Build Mini-SSv2 or Mini-K400: `vidprep build-mini --src k400 --classes 200`.

    Needs no paths when the videos lie where $VIDPREP_SSV2 / $VIDPREP_K400 says, or in data/ssv2 / data/k400.
    """
    from vidprep.recipes.mini import mini_recipe

    arguments = options.arguments()
    recipe = mini_recipe(src, classes, class_list, overrides)
    _build(recipe, out, {"sources": source or (), "annotations": annotations or ()}, arguments)


def status(
    shards_dir: ShardsDirOrUrl,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep showing it until the set is complete.")
    ] = False,
) -> None:
    """Show how far a build is: while it runs, after a crash, or when it is done.

    --watch also shows what each worker is doing; with many workers, one line for each machine.
    """
    from rich.console import Console

    from vidprep.builder.progress.status import read_status
    from vidprep.cli.tables.build_status import status_lines, watch_status

    if watch and as_json:
        raise typer.BadParameter("--watch and --json exclude each other.")
    console = Console(highlight=False, soft_wrap=True)
    state = watch_status(shards_dir, console) if watch else read_status(shards_dir)
    if as_json:
        typer.echo(json.dumps(asdict(state), indent=1))
        return
    console.print("\n".join(status_lines(str(shards_dir), state)), markup=False)


def _build(
    recipe: "Recipe | str | None", out: str | None, videos: "VideoChoice", options: dict[str, Any]
) -> None:
    from rich.console import Console

    import vidprep
    from vidprep.cli.display import BuildProgress

    console = Console(highlight=False)
    with BuildProgress(console) as progress:
        result = vidprep.build(recipe, out, on_event=progress.update, **videos, **options)
    if result.finished is None:
        console.print(_share_sentence(options["array"], result), markup=False, soft_wrap=True)
        return
    _print_set(result, console, extend=options["extend"])


def _print_set(result: "BuildResult", console: "Console", *, extend: bool) -> None:
    """Print the accounting of a finished set, and remarks about it."""
    from vidprep.cli.display import accounting_table
    from vidprep.shards.ledger import read_ledger
    from vidprep.shards.transfer.outline import is_beside_shards, local_outline

    with local_outline(result.out_dir, wanted=is_beside_shards) as folder:
        ledger = read_ledger(folder)
    console.print(accounting_table(ledger))
    lines = _news(result, extend=extend)
    num_suspect = sum(word != "" for word in ledger["suspect"].to_pylist())
    if num_suspect:
        lines.insert(
            0, f"{num_suspect:,} used videos look damaged: vidprep ledger {result.out_dir} --list suspect"
        )
    for line in (*lines, f"Shard set: {result.out_dir}"):
        console.print(line, markup=False, soft_wrap=True)


def _share_sentence(array: str, result: "BuildResult") -> str:
    share = f"Task {array.replace('/', ' of ')} has finished its share"
    if not result.num_shards_left:
        return f"{share}; another process makes the set."
    return (
        f"{share}. {result.num_shards_left:,} shards of other tasks are not finished yet; the last task "
        f"makes the set. See: vidprep status {result.out_dir}"
    )


def _news(result: "BuildResult", *, extend: bool) -> list[str]:
    """Return sentences about what an extension added, or what one would add."""
    if result.extension is not None:
        one = result.extension
        added = sum(one.num_added.values())
        return [
            f"Generation {one.generation}: {one.why}; {added:,} used in {len(one.shards):,} new shards, "
            f"{sum(one.num_rejected.values()):,} rejected."
        ]
    if extend:
        return [f"Nothing to add: this stays generation {result.manifest.generation}."]
    if result.num_newly_there:
        missing = sum(total.missing for total in result.manifest.totals.values())
        return [
            f"{result.num_newly_there:,} of {missing:,} missing videos are there now: --extend adds them "
            "in new shards."
        ]
    return []
