"""Run the build of a finished set again: what was lost of it is built again, and nothing else changes."""

from pathlib import Path

import pandas as pd

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.extending.candidates import as_planned, count_newly_there
from vidprep.builder.extending.next_generation import is_whole
from vidprep.builder.plan import Plan, describe_difference, in_order
from vidprep.builder.run import BuildRequest, OnEvent, run_tasks, working_in
from vidprep.builder.workspace.extensions import extension_dir
from vidprep.builder.workspace.finished import move_into_place, read_done_shard, read_places
from vidprep.builder.workspace.plan_file import read_facts, read_plan, write_plan
from vidprep.errors import BuildError
from vidprep.shards.layout import GENERATIONS, MANIFEST
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import Manifest, ShardEntry, read_manifest

_FILE = ["split", "video_id", "source"]


def is_finished(root: Path) -> bool:
    """Tell whether a folder holds a finished set."""
    return (root / MANIFEST).is_file()


def is_extended(root: Path) -> bool:
    """Tell whether a set has a second generation, or is about to get one."""
    return (root / GENERATIONS).is_dir()


def without_newcomers(request: BuildRequest, rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return an inventory as a finished set was planned, and how many missing videos are there now.

    Raises:
        BuildError: If the annotation is another one.
    """
    root = request.out_dir
    newest = read_manifest(root)
    if newest.recipe.dataset != request.recipe.dataset:
        return rows, 0  # made from another plan: the caller refuses it and says what differs
    taken = in_order(rows, newest.recipe.shards.seed, newest.limit)
    num_newly_there = count_newly_there(taken, read_ledger(root).to_pandas(), root=root)
    return as_planned(taken, read_ledger(root, 1).to_pandas(), root=root), num_newly_there


def repair(
    request: BuildRequest, plan: Plan, inventory_rows: pd.DataFrame, engine: RunShards, on_event: OnEvent
) -> Manifest:
    """Build those tars of an extended set again that are gone or have another size.

    Args:
        request: The build.
        plan: Plan of the set's first generation, made anew.
        inventory_rows: Where the sources lie now.
        engine: Builds shards; see `choose_engine`.
        on_event: Called with each event.

    Raises:
        BuildError: If the set was built differently, or a tar comes out with other bytes than it had.
    """
    root = request.out_dir
    with working_in(root):
        if difference := describe_difference(read_facts(root), plan.facts):
            raise BuildError(
                f"{root} holds the build of another plan: {difference}. Build into a new folder, or delete "
                "this one."
            )
        manifest = read_manifest(root)
        lost = {entry.name: entry for entry in manifest.shards if not is_whole(root, entry)}
        folders = [root, *(extension_dir(root, one.generation) for one in manifest.history)]
        for folder in folders:
            numbers = [number for number, name in read_places(folder).items() if name in lost]
            if numbers:
                _refresh_sources(folder, inventory_rows)
                run_tasks(read_facts(folder), folder, numbers, engine, on_event, request.ffmpeg)
                _put_back(root, folder, numbers, lost)
    gone = [entry.name for entry in manifest.shards if not is_whole(root, entry)]
    if gone:
        raise BuildError(
            f"{root / gone[0]} is gone, and so is what its build kept. Copy it from where the set was copied."
        )
    return manifest


def _put_back(root: Path, folder: Path, numbers: list[int], lost: dict[str, ShardEntry]) -> None:
    places = read_places(folder)
    for number in numbers:
        if read_done_shard(folder, number).sha256 != lost[places[number]].sha256:
            raise BuildError(
                f"{places[number]} comes out with other bytes than the manifest of {root} names: one of its "
                "videos had another outcome this time. Copy the shard from where the set was copied, or "
                "build into a new folder."
            )
    move_into_place(folder, root, numbers)


def _refresh_sources(folder: Path, inventory_rows: pd.DataFrame) -> None:
    """Write the folders in which the source files lie now into the plan."""
    plan = read_plan(folder)
    now = inventory_rows.drop_duplicates(_FILE).set_index(_FILE)["source_dir"].to_dict()
    files = plan.rows[_FILE].itertuples(index=False, name=None)
    folders = [now.get(file, before) for file, before in zip(files, plan.rows["source_dir"], strict=True)]
    write_plan(Plan(plan.facts, plan.rows.assign(source_dir=folders)), folder)
