"""`vidprep synth`: make small synthetic datasets in the official layouts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from vidprep.synth.dataset import Written


def synth(
    dataset: Annotated[
        Literal["ssv2", "k400", "k600", "k700", "ucf101", "hmdb51", "diving48", "jester", "epic100"],
        typer.Argument(help="The dataset to imitate."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to make; an incomplete one is completed.")],
    classes: Annotated[
        int | None, typer.Option(min=1, help="Number of classes.", show_default="12 (ssv2), 10 (k400), 4")
    ] = None,
    videos_per_class: Annotated[int, typer.Option(min=1, help="Training videos of each class.")] = 8,
    validation_per_class: Annotated[int, typer.Option(min=0, help="Validation videos of each class.")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other videos.")] = 0,
    broken: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of videos that get a defect; truth.json lists them."),
    ] = 0.0,
    short_side: Annotated[
        int | None,
        typer.Option(
            min=32, max=1080, metavar="PIXELS", help="Short side of ssv2's frames.", show_default="240"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Videos made at the same time.", show_default="one per core")
    ] = None,
) -> None:
    """Make real video files with annotations, whose classes differ only in motion."""
    if short_side is not None and dataset != "ssv2":
        raise typer.BadParameter(
            f"{dataset}'s videos are of other sizes, as published.", param_hint="--short-side"
        )
    if broken and dataset not in ("ssv2", "k400"):
        raise typer.BadParameter("only ssv2 and k400 are made with defects.", param_hint="--broken")
    from functools import partial

    from vidprep.synth.dataset import write_k400, write_official, write_ssv2  # numpy: not for --help
    from vidprep.synth.plan import DEFAULT_CLASSES, OTHER_CLASSES

    write: Callable[..., Written] = partial(write_official, dataset)
    if dataset == "ssv2":
        write = partial(write_ssv2, short_side=short_side, broken=broken)
    elif dataset == "k400":
        write = partial(write_k400, broken=broken)
    with _progress() as on_progress:
        try:
            written = write(
                out,
                num_classes=classes or DEFAULT_CLASSES.get(dataset, OTHER_CLASSES),
                videos_per_class=videos_per_class,
                validation_per_class=validation_per_class,
                seed=seed,
                num_workers=workers,
                on_progress=on_progress,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
    state = "was already there, left as it is" if written.was_there else "written"
    typer.echo(f"{out}: {written.num_videos} videos annotated, {written.num_broken} of them broken; {state}.")


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback that draws a bar on a terminal and prints ten plain lines elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _print_tenths
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("videos")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print_tenths(done: int, total: int) -> None:
    if done * 10 // total != (done - 1) * 10 // total:
        typer.echo(f"{done} of {total} videos", err=True)
