"""A bar with a line of text under it, for the live displays of long commands."""

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


def bar_over_line(line: str, *, completed: int, total: int) -> RenderableType:
    """Return a bar of 60 columns and, under it, a line of text."""
    grid = Table.grid()  # a bar alone ends without a line break, and the text would go on beside it
    grid.add_row(ProgressBar(total=max(total, 1), completed=completed, width=60))
    return Group(grid, Text(line))
