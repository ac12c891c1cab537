"""The program as a whole: help, version, errors, exit codes."""

import subprocess
import sys
import tomllib

from tests.helpers.programs.program import run_here
from vidprep.cli.main import app
from vidprep.datasets.folders import default_sources
from vidprep.recipes.pipelines import pipeline_names

COMMANDS = (
    "pipelines",
    "audit",
    "synth",
    "build",
    "build-mini",
    "status",
    "ledger",
    "explain",
    "verify",
    "report",
)
LOADING = ("index", "bench-loader")


def start(*arguments, **options):
    command = [sys.executable, "-m", "vidprep", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


def test_help_names_every_command():
    text = run_here("--help").stdout
    assert all(f" {command} " in text for command in (*COMMANDS, *LOADING))
    assert run_here("--version").stdout.startswith("vidprep ")


def test_every_command_has_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    commands = {one.name or one.callback.__name__: one.help for one in app.registered_commands}
    assert len(commands) >= 28
    for command, text in commands.items():
        done = run_here(command, "--help")
        assert done.returncode == 0 and "Usage" in done.stdout, command
        for paragraph in text.split("\n\n"):  # each on a line that the terminal may break
            assert paragraph in done.stdout, command


def test_an_expected_error_is_one_message_and_exit_1():
    done = run_here("build", "mini-k400")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: Unknown pipeline 'mini-k400'. Did you mean 'mini_k400'?")
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback():
    assert "Traceback" in start("--debug", "build", "nothing").stderr


def test_wrong_usage_exits_2():
    assert run_here("build").returncode == 2
    assert run_here("build", "demo", "--workers", "1", "--sync").returncode == 2


def test_pipelines_are_listed_and_shown_in_full():
    listed = run_here("pipelines").stdout
    assert len(pipeline_names()) >= 5
    assert all(name in listed for name in pipeline_names())
    shown = tomllib.loads(run_here("pipelines", "show", "mini_k400", "--set", "transcode.crf=30").stdout)
    assert (shown["transcode"]["crf"], shown["optimisation"]["milestones"]) == (30, [15, 30])


def test_a_shown_recipe_can_be_built_from(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(run_here("pipelines", "show", "mini_ssv2").stdout)
    assert run_here("pipelines", "show", str(path)).stdout == path.read_text()


def test_where_videos_lie_by_default(monkeypatch):
    monkeypatch.setenv("VIDPREP_K400", "/videos")
    assert default_sources("k400") == ["/videos"]
    monkeypatch.delenv("VIDPREP_K400")
    assert default_sources("k400") == ["data/k400"]


def test_no_videos_at_the_default_place(tmp_path):
    done = start("build-mini", "--src", "k400", "--classes", "200", cwd=tmp_path, env={"PATH": ""})
    assert done.returncode == 1
    assert "data/k400 does not exist. Pass --source DIR or set VIDPREP_K400" in done.stderr
