"""Indexes of the archives that sources lie in: kept with the build, so that every worker finds them."""

import shutil
from pathlib import Path

from vidprep.builder.plan import Plan
from vidprep.builder.workspace.paths import archive_index_dir
from vidprep.datasets.archives.listing import default_index_dir, index_paths
from vidprep.datasets.archives.parts import MARK
from vidprep.files import replace_durably


def index_dir_of(out_dir: Path) -> Path:
    """Return where a build keeps the indexes of archives: in its folder, or in the user's cache at first."""
    own = archive_index_dir(out_dir)
    return own if own.is_dir() else default_index_dir()


def keep_archive_indexes(plan: Plan, out_dir: Path) -> None:
    """Copy the indexes of all archives that a plan names into the build's folder."""
    rows = plan.rows.loc[plan.rows["source"].str.contains(MARK, regex=False), ["source_dir", "source"]]
    own = archive_index_dir(out_dir)
    archives = {
        (str(source_dir), str(source).partition(MARK)[0])
        for source_dir, source in rows.itertuples(index=False, name=None)
    }
    for source_dir, name in sorted(archives):
        for path in index_paths(source_dir, name, default_index_dir()):
            if path.is_file():
                own.mkdir(parents=True, exist_ok=True)
                partial_path = own / f"{path.name}.partial"
                shutil.copyfile(path, partial_path)
                replace_durably(partial_path, own / path.name)
