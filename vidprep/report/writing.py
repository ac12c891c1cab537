"""Write the page: the whole of `vidprep report`, as one function."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from vidprep.files import write_whole
from vidprep.report.find import Kind, find_subjects
from vidprep.report.page import MAX_BYTES, write_page
from vidprep.shards.transfer.outline import is_beside_shards, is_url, local_outline


@dataclass(frozen=True)
class WrittenReport:
    """A page on the disk.

    Attributes:
        path: Path of the page.
        size_bytes: Size of the page.
        kinds: "shards", "run", "evaluation" or "analysis", for each folder that it shows.
    """

    path: Path
    size_bytes: int
    kinds: tuple[Kind, ...]


def write_report(
    folders: Sequence[Path | str],
    path: Path | str = "report.html",
    *,
    max_bytes: int = MAX_BYTES,
    on_stage: Callable[[str], None] = lambda name: None,
    on_clip: Callable[[int, int], None] = lambda done, total: None,
) -> WrittenReport:
    """Write one self-contained HTML page on shard sets, runs, evaluations and analyses.

        page = vidprep.write_report(["shards/motion", "runs/motion", "evals/motion"], "report.html")
        print(page.path, page.size_bytes)

    Args:
        folders: Shard sets, runs, evaluations and analyses, or folders of them; shard sets also by URL.
        path: Path of the page; ends in .html.
        max_bytes: How large the page may be: clips and figures are made smaller to fit, tables and text not.
        on_stage: Called with the name of each folder before it is read.
        on_clip: Called after each clip of a shard set with the number done and the number in all.

    Raises:
        ReportError: If there is nothing to report on.
        ValueError: If `path` does not end in .html.
    """
    path = Path(path)
    if path.suffix not in (".html", ".htm"):
        raise ValueError(f"{path} does not end in .html.")
    with ExitStack() as outlines:
        here = [outlines.enter_context(local_outline(one, wanted=is_beside_shards)) for one in folders]
        urls = {path: str(one) for path, one in zip(here, folders, strict=True) if is_url(one)}
        subjects = [each._replace(url=urls.get(each.path, "")) for each in find_subjects(here)]
        page = write_page(subjects, max_bytes=max_bytes, on_stage=on_stage, on_clip=on_clip).encode()
    write_whole(path, page)
    return WrittenReport(path, len(page), tuple(subject.kind for subject in subjects))
