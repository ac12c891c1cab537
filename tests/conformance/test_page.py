"""docs/other-trainers.md shows the recipes as they are run, each once."""

import runpy

from tests.conformance.conftest import RECIPES
from tests.helpers.paths import REPOSITORY


def test_the_page_shows_every_recipe_as_it_is_run():
    copying = runpy.run_path(str(REPOSITORY / "docs/copy_recipes.py"))
    page = copying["PAGE"].read_text()
    assert sorted(copying["recipes_shown"](page)) == sorted(path.stem for path in RECIPES.glob("*.py"))
    assert page == copying["with_recipes"](page), "run `python docs/copy_recipes.py`"
