"""Copy the recipes of tests/conformance into docs/other-trainers.md: `python docs/copy_recipes.py`.

A test fails where the page shows something else than what is run.
"""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs/other-trainers.md"
RECIPES = REPOSITORY / "tests/conformance/recipes"
_BLOCK = re.compile(r"(<!-- tests/conformance/recipes/(\w+)\.py -->\n```python\n).*?(```\n)", re.S)


def with_recipes(page: str) -> str:
    """Return the page with each marked block as its file has it."""
    return _BLOCK.sub(lambda found: found[1] + (RECIPES / f"{found[2]}.py").read_text() + found[3], page)


def recipes_shown(page: str) -> list[str]:
    """Return the names of the recipes that a page shows, in order."""
    return [name for _, name, _ in _BLOCK.findall(page)]


if __name__ == "__main__":
    PAGE.write_text(with_recipes(PAGE.read_text()))
