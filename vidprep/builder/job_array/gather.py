"""Move what the tasks of a job array have finished into the folder of the build."""

from pathlib import Path

from vidprep.builder.plan import PlanFacts, describe_difference
from vidprep.builder.workspace.lock import exclusive
from vidprep.builder.workspace.plan_file import begun_facts
from vidprep.builder.workspace.shares import drop_share, share_dirs, share_name, take_over
from vidprep.errors import BuildBusy, BuildError


def gather_shares(out_dir: Path, facts: PlanFacts) -> None:
    """Take over what the tasks of job arrays have finished or begun; the caller works in the folder alone.

    Args:
        out_dir: The build.
        facts: Facts of its plan.

    Raises:
        BuildBusy: If a task is still at work.
        BuildError: If one has finished shards of another plan.
    """
    for folder in share_dirs(out_dir):
        try:
            with exclusive(folder):
                check_same_plan(folder, facts)
                take_over(out_dir, folder)
                drop_share(folder)
        except BuildBusy as error:
            raise BuildBusy(
                f"{share_name(folder).capitalize()} of a job array is at work. {error}"
            ) from error


def check_same_plan(folder: Path, facts: PlanFacts) -> None:
    """Refuse a folder in which shards of another plan are finished.

    Raises:
        BuildError: If there are some.
    """
    begun = begun_facts(folder)
    if begun is not None and (difference := describe_difference(begun, facts)):
        raise BuildError(
            f"{folder} holds the build of another plan: {difference}. "
            "Build into a new folder, or delete this one."
        )
