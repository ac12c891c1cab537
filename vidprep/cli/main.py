"""The `vidprep` program: its commands, and how an expected error looks."""

import sys
from typing import Annotated

import typer

from vidprep import __version__
from vidprep.cli.audit import audit
from vidprep.cli.build import build, build_mini, status
from vidprep.cli.evaluate import evaluate, rescore
from vidprep.cli.loader import bench_loader, export, index
from vidprep.cli.networks import erf, filters, model
from vidprep.cli.pipelines import pipelines_app
from vidprep.cli.report import report
from vidprep.cli.shards import compare, explain, ledger, passport, verify
from vidprep.cli.subset import merge, reshard, subset
from vidprep.cli.synth import synth
from vidprep.cli.train import train
from vidprep.errors import HarnessStopped, VidprepError

app = typer.Typer(
    name="vidprep",
    help="From raw SSv2 and Kinetics-400 videos to WebDataset shards and a reproducible I3D number.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

app.add_typer(pipelines_app, name="pipelines", rich_help_panel="Recipes and raw data")
app.command(rich_help_panel="Recipes and raw data")(audit)
app.command(rich_help_panel="Recipes and raw data")(synth)
app.command(rich_help_panel="Build shards")(build)
app.command("build-mini", rich_help_panel="Build shards")(build_mini)
app.command(rich_help_panel="Build shards")(subset)
app.command(rich_help_panel="Build shards")(merge)
app.command(rich_help_panel="Build shards")(reshard)
app.command(rich_help_panel="Build shards")(status)
app.command(rich_help_panel="Look at shards")(ledger)
app.command(rich_help_panel="Look at shards")(explain)
app.command(rich_help_panel="Look at shards")(verify)
app.command(rich_help_panel="Look at shards")(passport)
app.command(rich_help_panel="Look at shards")(compare)
app.command(rich_help_panel="Load shards")(index)
app.command(rich_help_panel="Load shards")(export)
app.command("bench-loader", rich_help_panel="Load shards")(bench_loader)
app.command(rich_help_panel="Train and evaluate")(train)
app.command("eval", rich_help_panel="Train and evaluate")(evaluate)
app.command(rich_help_panel="Train and evaluate")(rescore)
app.command(rich_help_panel="Look at networks")(model)
app.command(rich_help_panel="Look at networks")(filters)
app.command(rich_help_panel="Look at networks")(erf)
app.command(rich_help_panel="Results")(report)


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
        app(arguments)
    except VidprepError as error:
        if debug:
            raise
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(128 + error.signal_number if isinstance(error, HarnessStopped) else 1)
    except OSError as error:  # a path that cannot be read or written
        if debug or error.filename is None:
            raise
        sys.stderr.write(f"Error: {error.filename}: {error.strerror}.\n")
        sys.exit(1)
