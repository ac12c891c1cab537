"""Imports go one way, and `--help` is quick to come."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import vidprep

PACKAGE = Path(vidprep.__file__).parent

# Which parts a part may import, besides the modules at the top of the package (errors, files, ...).
ALLOWED = {
    "recipes": set(),
    "shards": {"recipes"},
    "synth": {"recipes"},
    "datasets": {"recipes", "shards"},
    "builder": {"datasets", "recipes", "shards"},
    "load": {"recipes", "shards"},
    "adapters": {"load", "recipes", "shards"},
    "model": {"recipes"},
    "harness": {"load", "model", "recipes", "shards"},
    "analysis": {"harness", "model"},
}
SEES_EVERYTHING = {"cli", "report"}
WITHOUT_TORCH = {"recipes", "shards", "synth", "datasets", "builder"}
WITHOUT_DASK = {"recipes", "shards", "synth", "datasets", "load", "adapters", "model", "harness", "analysis"}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module


def modules():
    return [(path, path.relative_to(PACKAGE).parts[0]) for path in PACKAGE.rglob("*.py")]


def test_every_part_has_its_place():
    parts = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert len(modules()) > 30
    assert parts <= ALLOWED.keys() | SEES_EVERYTHING


def test_imports_run_down():
    for path, part in modules():
        if part not in ALLOWED:
            continue
        for name in imports_of(path):
            words = name.split(".")
            if words[0] == "vidprep" and len(words) > 1 and (PACKAGE / words[1]).is_dir():
                assert words[1] in ALLOWED[part] | {part}, f"{path} imports {name}"


def test_top_modules_import_no_part():
    for path in PACKAGE.glob("*.py"):
        if path.name in ("__main__.py", "__init__.py"):  # the public names are looked up on demand
            continue
        for name in imports_of(path):
            words = name.split(".")
            assert words[0] != "vidprep" or not (PACKAGE / [*words, ""][1]).is_dir(), f"{path} imports {name}"


def test_building_knows_no_torch_and_training_no_dask():
    for path, part in modules():
        names = {name.split(".")[0] for name in imports_of(path)}
        if part in WITHOUT_TORCH:
            assert not names & {"torch", "webdataset"}, path  # webdataset imports torch
        if part in WITHOUT_DASK:
            assert not names & {"dask", "distributed"}, path


def test_one_room_knows_what_a_build_keeps():
    room = PACKAGE / "builder" / "workspace"
    assert len(list(room.glob("*.py"))) > 3
    for path, _ in modules():
        if path.parent != room:
            assert not re.search(r"(?<![\w.])\.build\b", path.read_text()), f"{path} mentions .build"
            assert "vidprep.builder.workspace.paths" not in set(imports_of(path)), path


def test_help_imports_nothing_heavy():
    code = (
        "import sys; sys.argv = ['vidprep', '--help']\n"
        "from vidprep.cli.main import app\n"
        "try: app()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'dask', 'pandas', 'pyarrow', 'av', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
