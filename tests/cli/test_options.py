"""Groups of options that several commands share."""

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from vidprep.cli.options import spread_groups


@dataclass(frozen=True)
class Size:
    """A group."""

    width: Annotated[int, typer.Option("-w", "--width", help="In pixels.")] = 4
    height: int = 3


@dataclass(frozen=True)
class Box(Size):
    """A group with one more option, and another meaning of an old one."""

    width: Annotated[int, typer.Option(help="In millimetres.")] = 40
    depth: int = 5


def run(group, *arguments):
    def show(name: Annotated[str, typer.Argument()], *, size: group, loud: bool = False) -> None:
        """Show it."""
        typer.echo(f"{name} {size} {loud}")

    app = typer.Typer()
    app.command()(spread_groups(show))
    return CliRunner().invoke(app, arguments)


def test_a_command_gets_the_group_as_one_object():
    assert run(Size, "box").stdout.strip() == "box Size(width=4, height=3) False"
    found = run(Size, "box", "-w", "8", "--height", "6", "--loud")
    assert found.stdout.strip() == "box Size(width=8, height=6) True"


def test_a_group_may_extend_another():
    assert run(Box, "box", "--depth", "7").stdout.strip() == "box Box(width=40, height=3, depth=7) False"


def test_the_help_shows_single_options_in_their_place():
    text = run(Box, "--help").stdout
    places = [text.index(word) for word in ("Show it.", "millimetres", "--height", "--depth", "--loud")]
    assert places == sorted(places)
