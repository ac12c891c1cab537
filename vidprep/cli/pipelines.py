"""`vidprep pipelines`, `datasets` and `init`: list and show recipes and datasets, begin new ones."""

from pathlib import Path
from typing import Annotated

import typer

from vidprep.cli.options import DatasetFile, Overrides

datasets_app = typer.Typer(help="List the datasets, or show one.", no_args_is_help=False)
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
    name: Annotated[str | None, typer.Argument(help="A pipeline's name, or the path of a TOML file.")] = None,
    dataset: DatasetFile = None,
    overrides: Overrides = None,
) -> None:
    """Print a resolved recipe as TOML: every key, defaults and overrides included."""
    from vidprep.recipes.classes import resolve_classes
    from vidprep.recipes.own_videos import choose_videos
    from vidprep.recipes.pipelines import format_recipe

    if name is None and dataset is None:
        raise typer.BadParameter("give a pipeline or --dataset FILE.", param_hint="NAME")
    recipe = choose_videos(name, dataset=dataset, overrides=overrides or ()).recipe
    resolve_classes(recipe.dataset)  # a dataset or subset that does not exist is an error here, too
    typer.echo(format_recipe(recipe), nl=False)


@datasets_app.callback(invoke_without_command=True)
def list_datasets(context: typer.Context) -> None:
    """List the datasets that come with vidprep."""
    if context.invoked_subcommand:
        return
    from rich.console import Console
    from rich.table import Table

    from vidprep.recipes.manifests import dataset_names, read_dataset

    table = Table("dataset", "title", "labels", "train", "validation", "folds", box=None)
    for name in dataset_names():
        dataset = read_dataset(name)
        counts = dataset.expected or (dataset.folds[0] if dataset.folds else {})
        sets = (dataset.labels, *dataset.more_labels)
        table.add_row(
            name,
            dataset.title,
            " + ".join(str(len(labels.classes)) for labels in sets),
            *(f"{counts[split]:,}" if split in counts else "-" for split in ("train", "validation")),
            str(len(dataset.folds) or "-"),
        )
    Console(soft_wrap=True).print(table)


@datasets_app.command("show")
def show_dataset(
    name: Annotated[
        str | None, typer.Argument(help="A dataset's name, e.g. ucf101, or the path of its file.")
    ] = None,
    dataset: DatasetFile = None,
) -> None:
    """Print a dataset as TOML: where to get it, what it should count, how its lists and folders look."""
    import tomli_w

    from vidprep.recipes.manifests import read_dataset, read_dataset_file

    if (name is None) == (dataset is None):
        raise typer.BadParameter("give one of the two.", param_hint="'NAME' / '--dataset FILE'")
    if dataset is None and str(name).endswith(".toml"):
        dataset = Path(str(name))
    found = read_dataset_file(dataset) if dataset else read_dataset(str(name))
    typer.echo(tomli_w.dumps(found.model_dump(mode="json", exclude_defaults=True)), nl=False)


def init(
    name: Annotated[str, typer.Argument(help="Name of the new dataset: small letters, digits, underscores.")],
    folder: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path(),
    dataset: DatasetFile = None,
) -> None:
    """Write a commented dataset file and a pipeline file to start from: NAME_dataset.toml and NAME.toml.

    With --dataset FILE only the pipeline file, for the dataset that is described there.
    """
    from vidprep.recipes.own_videos import write_pipeline_template, write_templates

    if dataset is None:
        dataset_path, pipeline_path = write_templates(name, folder)
        typer.echo(f"{dataset_path}: how its lists and folders look; edit this one first.")
    else:
        pipeline_path = write_pipeline_template(name, folder, dataset)
    typer.echo(f"{pipeline_path}: how videos are stored, trained on and evaluated.")
    typer.echo(f"Then: vidprep audit {pipeline_path} --annotations LISTS --source VIDEOS")
