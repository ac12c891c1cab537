"""What the documents say about the project is true: files exist, pages are current, Python blocks run."""

import ast
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys

import pytest
import torch
from typer.main import get_command
from typer.testing import CliRunner

import vidprep
from tests.helpers.paths import REAL_DATA, RELEASE_0_1, REPOSITORY
from tests.helpers.raw_videos.videos import numbered_video
from vidprep.cli.main import app
from vidprep.harness.reproduction import run as reproduction
from vidprep.model import i3d_resnet
from vidprep.recipes.pipelines import read_pipeline

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


BENCHMARKS = sorted((REPOSITORY / "benchmarks").glob("*.py"))
_SECTION = re.compile(r"[^\n]+ \(`(?:benchmarks/\w+\.py[ \w]*|make bench)`\)")


def sections_of(script):
    """Headings of the sections that a benchmark writes: texts that end in its command."""
    nodes = ast.walk(ast.parse(script.read_text()))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if _SECTION.fullmatch(text)]


@pytest.mark.parametrize("script", BENCHMARKS, ids=lambda script: script.name)
def test_sections_of_a_benchmark_stand_in_the_results_once(script):
    lines = (REPOSITORY / "benchmarks/RESULTS.md").read_text().splitlines()
    headings = sections_of(script)
    assert headings
    for heading in headings:
        assert f"benchmarks/{script.name}" in heading or script.name == "quick.py"
        assert lines.count(f"## {heading}") == 1, heading


def test_every_section_and_every_chart_of_the_results_is_written_by_a_benchmark():
    text = (REPOSITORY / "benchmarks/RESULTS.md").read_text()
    written = {heading for script in BENCHMARKS for heading in sections_of(script)}
    found = re.findall(rf"^## ({_SECTION.pattern})$", text, re.M)
    assert len(found) >= 25
    assert set(found) == written
    shown = re.findall(r"\(charts/([\w-]+\.png)\)", text)
    assert sorted(shown) == sorted(path.name for path in (REPOSITORY / "benchmarks/charts").iterdir())


def test_both_walks_name_every_file_once():
    text = (REPOSITORY / "docs/architecture.md").read_text()
    hops = re.findall(r"^\d+\. `(vidprep/[\w/.]+)`", text, re.M)
    assert len(hops) >= 20
    assert all((REPOSITORY / hop).is_file() for hop in hops)


def test_the_maps_of_folders_name_what_is_there():
    """Words such as `ranks.py` and `training/` in a folder's docstring are files and folders of it."""
    named = [
        (path.parent, name)
        for path in (REPOSITORY / "vidprep").rglob("__init__.py")
        for name in re.findall(
            r"(?<![\w/.`-])(\w+(?:\.py|/))(?=[\s,;])", ast.get_docstring(ast.parse(path.read_text())) or ""
        )
    ]
    assert len(named) > 50
    assert [(folder, name) for folder, name in named if not (folder / name).exists()] == []


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
    subprocess.run(command, check=True, capture_output=True, timeout=250)
    return folder


def commands_of(page):
    """Each `vidprep` or torchrun line of a page's blocks, as words, without what follows a comment sign."""
    text = (REPOSITORY / "docs" / page).read_text()
    blocks = [block for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.S | re.M) if not kind]
    lines = [line.partition("  #")[0].strip() for block in blocks for line in block.splitlines()]
    starts = ("vidprep ", "torchrun ")
    return [shlex.split(re.sub(r"^torchrun .*? -m ", "", line)) for line in lines if line.startswith(starts)]


def test_every_command_of_the_harness_page_is_one():
    """Names of commands and options are checked by the program itself; `...` stands for more words."""
    group = get_command(app)
    commands = [words for words in commands_of("harness.md") if "..." not in words]
    assert len(commands) >= 9
    for _, name, *words in commands:
        context = group.commands[name].make_context(name, list(words))
        assert not context.args, words


def test_the_probes_of_the_harness_page_run(road):
    commands = [words for words in commands_of("harness.md") if "evals/motion" in words]
    assert len(commands) == 3
    for words in commands:
        done = CliRunner().invoke(app, [*words[1:], "--workers", "0"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert (road / "evals/reversed/turned_into.csv").is_file()
    assert (road / "evals/frozen/versus-motion.csv").is_file()


SMALL = {
    "train_clip.clip_len": 4,
    "train_clip.crop_size": 32,
    "eval_views.clip_len": 4,
    "eval_views.crop_size": 32,
    "model.depth": 18,
    "model.width": 4,
    "optimisation.batch_size": 4,
    "optimisation.epochs": 1,
}


@pytest.fixture
def long_road(road, monkeypatch):
    """Every path of the page leads to something small; published weights are drawn ones."""
    assert CliRunner().invoke(app, ["passport", "shards/motion", "--out", "ours.parquet"]).exit_code == 0
    shutil.copy("ours.parquet", "theirs.parquet")
    for name, dataset in (("mini_k400", "k400"), ("k400", "k400"), ("ssv2", "ssv2"), ("mini_ssv2", "ssv2")):
        shutil.copytree("shards/motion", f"shards/{name}")
        path = road / "shards" / name / "manifest.json"
        manifest = json.loads(path.read_text())
        manifest["recipe"]["dataset"] = {"name": dataset}
        path.write_text(json.dumps(manifest))
    tensors = i3d_resnet(18, 12, width=4).state_dict()
    torch.save({"state_dict": tensors}, "K400-I3D-ResNet-50-f32.pth.tar")
    pictures = {name: each.mean(2) if each.ndim == 5 else each for name, each in tensors.items()}
    torch.save(pictures, "imagenet.pth")
    monkeypatch.setattr("vidprep.harness.training.run.fetch_imagenet", lambda depth: road / "imagenet.pth")
    monkeypatch.setattr(reproduction, "read_pipeline", lambda name: read_pipeline(name, ["model.depth=18"]))
    return road


@pytest.mark.slow
def test_every_block_of_the_harness_page_runs(long_road):
    """In the order of the page, with small networks; `...` stands for more words."""
    commands = [words for words in commands_of("harness.md") if "..." not in words]
    assert len(commands) >= 11
    for words in commands:
        words = [*words, "--workers", "0"]
        if "--resume" in words and "--extend" in words:
            words += ["--set", "optimisation.epochs=4"]
        elif words[1] == "train":
            words += [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
        done = CliRunner().invoke(app, words[1:], catch_exceptions=False)
        assert done.exit_code == 0, (words, done.output)
    for block in re.findall(r"```python\n(.*?)```", (REPOSITORY / "docs/harness.md").read_text(), re.S):
        exec(compile(block, "docs/harness.md", "exec"), {"vidprep": vidprep})


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


@pytest.mark.slow
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


def test_tube_masks(road, capsys):
    example = runpy.run_path(str(REPOSITORY / "examples/tube_masks.py"))
    example["main"]("shards/motion")
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 3 and said[-1].startswith(
        "batch 2: (4, 4, 16) patches, 3 of 16 places are seen; loss"
    )
    masks = example["tube_masks"]
    found = masks(("a", "b", "b"), epoch=1, frames=4, height=14, width=14, masked=0.9, seed=0)
    assert found.shape == (3, 4, 196) and found.sum(2).unique().tolist() == [176]  # int(0.9 * 196)
    assert all((found[:, 0] == found[:, frame]).all() for frame in range(4))
    assert not (found[0] == found[1]).all() and not (found[1] == found[2]).all()
    again = masks(("b",), epoch=1, frames=4, height=14, width=14, masked=0.9, seed=0)
    assert (again[0] == found[1]).all()


def test_every_example_is_listed_and_tested():
    scripts = {path.name for path in (REPOSITORY / "examples").glob("*.py")}
    listed = (REPOSITORY / "examples/README.md").read_text()
    assert scripts == {
        *("train_your_own.py", "evaluate_your_own.py", "plain_webdataset.py", "whole_road.py"),
        "tube_masks.py",
        "r2plus1d.py",  # trained by tests/harness/test_factory.py
    }
    assert all(re.search(rf"\| `{name}[ `]", listed) for name in scripts)


@pytest.mark.slow
def test_the_whole_road(tmp_path, raw):
    said = run_example("whole_road.py", raw, cwd=tmp_path)
    assert "top-1" in said
    assert (tmp_path / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_path_of_your_own_videos(tmp_path):
    """40 videos in 4 classes, some of them real: the page's five commands, as they stand there."""
    real = [
        path for path in REAL_DATA.glob("videos/*") if path.stem in ("chaplin_10s", "k400_yoga_Tw2yXa6CzWE")
    ]
    for number in range(40):
        folder = tmp_path / f"clips/class {number % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        if number < len(real):
            shutil.copy(real[number], folder)
        else:
            numbered_video(folder / f"{number}.mp4", 24 + number % 4)
    page = (REPOSITORY / "docs/your-own-videos.md").read_text()
    commands = re.search(r"```sh\n(.*?)```", page, re.S)[1].splitlines()
    assert len(commands) == 5
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "vidprep"
        done = subprocess.run(
            [sys.executable, "-m", "vidprep", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=250,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (tmp_path / "clips.html").stat().st_size > 10_000
