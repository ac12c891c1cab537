"""`vidprep pipelines`: which recipes there are, and what one of them says in full."""

from typing import Annotated

import typer

from vidprep.cli.options import Overrides

pipelines_app = typer.Typer(help="List the pipelines, or show one.", no_args_is_help=False)


@pipelines_app.callback(invoke_without_command=True)
def list_pipelines(context: typer.Context) -> None:
    """List the pipelines that come with vidprep."""
    if context.invoked_subcommand:
        return
    from rich.console import Console
    from rich.table import Table

    from vidprep.recipes.pipelines import pipeline_names, read_pipeline

    table = Table("pipeline", "dataset", "classes", "short side", "eval views", "epochs", "batch", box=None)
    for name in pipeline_names():
        recipe = read_pipeline(name)
        views = recipe.eval_views
        table.add_row(
            name,
            recipe.dataset.name,
            recipe.dataset.subset
            or (f"{len(recipe.dataset.classes)} of its own" if recipe.dataset.classes else "all"),
            str(recipe.transcode.short_side),
            f"{views.num_crops} x {views.num_clips}",
            str(recipe.optimisation.epochs),
            str(recipe.optimisation.batch_size),
        )
    Console().print(table)


@pipelines_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="A pipeline's name, or the path of a TOML file.")],
    overrides: Overrides = None,
) -> None:
    """Print a resolved recipe as TOML: every key, defaults and overrides included."""
    from vidprep.recipes.classes import resolve_classes
    from vidprep.recipes.pipelines import format_recipe, read_pipeline

    recipe = read_pipeline(name, overrides)
    resolve_classes(recipe.dataset)  # a dataset or subset that does not exist is an error here, too
    typer.echo(format_recipe(recipe), nl=False)
