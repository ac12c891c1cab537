"""What the documents say about the project is true: files exist, pages are current, Python blocks run."""

import re
import runpy
import shutil
import subprocess
import sys

import pytest

import vidprep
from tests.helpers.paths import RELEASE_0_1, REPOSITORY

PAGES = sorted(
    [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md"), REPOSITORY / "examples/README.md"]
)
# A path below one of these folders; `<...>`, globs and names in capitals stand for something.
_FILE = re.compile(r"`((?:vidprep|pipelines|manifests|tests|docs|benchmarks|examples)/[\w./-]+\.\w+)`")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def test_there_are_pages():
    assert len(PAGES) >= 16


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_and_links_exist(page):
    text = page.read_text()
    for path in _FILE.findall(text):
        if "NAME" not in path and "DIR" not in path:
            assert (REPOSITORY / path).exists(), f"{page.name} names {path}"
    for link in _LINK.findall(text):
        assert (page.parent / link).exists(), f"{page.name} links {link}"


def test_both_walks_name_every_file_once():
    text = (REPOSITORY / "docs/architecture.md").read_text()
    hops = re.findall(r"^\d+\. `(vidprep/[\w/.]+)`", text, re.M)
    assert len(hops) >= 20
    assert all((REPOSITORY / hop).is_file() for hop in hops)


def test_the_api_page_is_current():
    page = runpy.run_path(str(REPOSITORY / "docs/write_api_page.py"))
    assert page["PAGE"].read_text() == page["format_page"](), "run `make docs`"


@pytest.fixture
def road(tmp_path, monkeypatch):
    """A folder in which the examples' paths lead to a shard set and a run."""
    shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "shards/motion")
    shutil.copytree(RELEASE_0_1 / "run", tmp_path / "runs/motion")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """A few raw videos in the official layout."""
    folder = tmp_path_factory.mktemp("raw") / "ssv2"
    options = ["--classes", "2", "--videos-per-class", "4", "--validation-per-class", "2"]
    command = [sys.executable, "-m", "vidprep", "synth", "ssv2", "--out", str(folder), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    return folder


def test_every_example_of_the_api_page_runs(road, raw):
    (road / "raw").mkdir()
    (road / "raw/ssv2").symlink_to(raw)
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/api.md").read_text(), re.S)
    assert len(blocks) >= 8
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), {"vidprep": vidprep})


def run_example(name, *arguments, cwd):
    script = REPOSITORY / "examples" / name
    done = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_train_and_evaluate_your_own(road):
    first = run_example("train_your_own.py", "shards/motion", cwd=road)
    assert first.splitlines()[-1].startswith("epoch ")
    assert first.count("loss") == 2 * 3  # 15 videos in batches of 4, two epochs
    assert run_example("train_your_own.py", "shards/motion", cwd=road) == ""  # nothing left to train
    assert "of 6 videos" in run_example("evaluate_your_own.py", "shards/motion", "own_network.pt", cwd=road)


def test_plain_webdataset(road):
    lines = run_example("plain_webdataset.py", "shards/motion", cwd=road).splitlines()
    assert len(lines) == 2 * 15
    assert len({line.split()[1] for line in lines}) == 15


def test_every_example_is_listed_and_tested():
    scripts = {path.name for path in (REPOSITORY / "examples").glob("*.py")}
    listed = (REPOSITORY / "examples/README.md").read_text()
    assert scripts == {"train_your_own.py", "evaluate_your_own.py", "plain_webdataset.py", "whole_road.py"}
    assert all(f"`{name} " in listed for name in scripts)


def test_the_whole_road(tmp_path, raw):
    said = run_example("whole_road.py", raw, cwd=tmp_path)
    assert "top-1" in said
    assert (tmp_path / "report.html").stat().st_size > 10_000
