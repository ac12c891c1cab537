"""The `vidprep` program: its commands, and how an expected error looks."""

import inspect
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from vidprep import __version__
from vidprep.cli.audit import audit
from vidprep.cli.build import build, build_mini, status
from vidprep.cli.evaluate import evaluate, reproduce, rescore
from vidprep.cli.loader import bench_loader, export, index
from vidprep.cli.networks import erf, filters, model
from vidprep.cli.options import spread_groups
from vidprep.cli.pipelines import datasets_app, init, pipelines_app
from vidprep.cli.report import report
from vidprep.cli.shards import compare, explain, ledger, passport, verify
from vidprep.cli.subset import merge, pull, push, reshard, subset
from vidprep.cli.synth import synth
from vidprep.cli.train import runs, train
from vidprep.errors import BuildStopped, HarnessStopped, VidprepError
from vidprep.stop_signals import ctrl_c_was_pressed

# What is said after Ctrl-C, if the command itself does not say what it keeps.
_KEPT = {
    "build": "Finished shards are kept. Run the same command again to go on.",
    "build-mini": "Finished shards are kept. Run the same command again to go on.",
    "train": "Saved checkpoints are kept. Run the same command with --resume to go on from the last one.",
    "eval": "Finished videos are kept. Run the same command again to go on.",
    "reproduce": "Finished videos are kept. Run the same command again to go on.",
    "erf": "Finished draws are kept in the folder of --out. Run the same command again to go on.",
    "filters": "No file in --out is half-written. Run the same command again to begin anew.",
    "status": "The build goes on.",
    "report": "No page was written; an earlier one is unchanged. Run the same command again to begin anew.",
}
_KEPT_BY_OTHERS = "Run the same command again: it goes on where it can, else it begins anew."

app = typer.Typer(
    name="vidprep",
    help="From raw videos (SSv2, Kinetics, your own) to WebDataset shards and reproducible I3D results.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_FIRST_PANEL = "Recipes and raw data"
_COMMANDS: dict[str, dict[str, Callable[..., object]]] = {
    _FIRST_PANEL: {"init": init, "audit": audit, "synth": synth},
    "Build shards": {
        "build": build,
        "build-mini": build_mini,
        "subset": subset,
        "merge": merge,
        "reshard": reshard,
        "push": push,
        "pull": pull,
        "status": status,
    },
    "Look at shards": {
        "ledger": ledger,
        "explain": explain,
        "verify": verify,
        "passport": passport,
        "compare": compare,
    },
    "Load shards": {"index": index, "export": export, "bench-loader": bench_loader},
    "Train and evaluate": {
        "train": train,
        "runs": runs,
        "eval": evaluate,
        "rescore": rescore,
        "reproduce": reproduce,
    },
    "Look at networks": {"model": model, "filters": filters, "erf": erf},
    "Results": {"report": report},
}


def _unwrapped(text: str) -> str:
    """Return a docstring with each paragraph on one line, to be wrapped to the terminal's width."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in inspect.cleandoc(text).split("\n\n"))


app.add_typer(pipelines_app, name="pipelines", rich_help_panel=_FIRST_PANEL)
app.add_typer(datasets_app, name="datasets", rich_help_panel=_FIRST_PANEL)
for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        _help = _unwrapped(_command.__doc__ or "")
        app.command(_name, help=_help, rich_help_panel=_panel)(spread_groups(_command))


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"vidprep {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that stand before the command."""


def main() -> None:
    """Run the program; an expected error is one message and exit 1."""
    debug = "--debug" in sys.argv  # wherever it stands
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        _run(arguments)
    except VidprepError as error:
        if debug:
            raise
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(128 + error.signal_number if isinstance(error, BuildStopped | HarnessStopped) else 1)
    except OSError as error:  # a path that cannot be read or written
        if debug or error.filename is None:
            raise
        sys.stderr.write(f"Error: {error.filename}: {error.strerror}.\n")
        sys.exit(1)


def _run(arguments: list[str]) -> None:
    try:
        app(arguments)
    except SystemExit:  # typer makes one of a KeyboardInterrupt, and says nothing
        if ctrl_c_was_pressed():
            command = next((word for word in arguments if not word.startswith("-")), "")
            sys.stderr.write(f"\nStopped by Ctrl-C. {_KEPT.get(command, _KEPT_BY_OTHERS)}\n")
        raise
