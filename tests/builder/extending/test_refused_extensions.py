"""What an extension is refused for; the set stays as it is."""

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.raw_videos.extensions import SETTINGS, build, tar_hashes
from vidprep.builder.workspace.lock import exclusive
from vidprep.cli.main import app
from vidprep.errors import BuildError, ShardError


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})
    return done.exit_code, " ".join(done.output.replace("│", " ").split())


def command(gaps, out, *options):
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    sources = ["--source", gaps.raw.folder, "--source", gaps.late]
    return run("build", "mini_k400", *sources, "--out", out, "--sync", *settings, *options)


def test_another_recipe(gaps):
    message = (
        r"was built differently: transcode.crf was 23 and is 18; shards.samples_per_shard was 4 and is 5\. "
    )
    with pytest.raises(BuildError, match=message + "Extend it with the settings that it was built with"):
        build(
            gaps.raw,
            gaps.out,
            gaps.late,
            extend=True,
            overrides=["transcode.crf=18", "shards.samples_per_shard=5"],
        )
    with pytest.raises(BuildError, match=r"was built differently: limit was None and is 3\."):
        build(gaps.raw, gaps.out, gaps.late, extend=True, limit=3)


def test_another_annotation(gaps, tmp_path):
    lines = gaps.raw.csv.read_text().splitlines()
    other = tmp_path / "train.csv"
    other.write_text("\n".join([lines[0], *lines[2:], "yoga,another,0,10,train"]) + "\n")
    message = r"from another annotation: new in it: 1, e\.g\. another_\S+; not in it any more: 1\. Pass the"
    for extend in (True, False):
        with pytest.raises(BuildError, match=message):
            build(gaps.raw, gaps.out, gaps.late, extend=extend, annotations=[other])


def test_no_finished_set(gaps, tmp_path):
    with pytest.raises(ShardError, match=r"No folder \S+\. Build a shard set first"):
        build(gaps.raw, tmp_path / "none", extend=True)
    (tmp_path / "begun").mkdir()
    with pytest.raises(ShardError, match=r"No shard set at \S+begun: manifest.json is missing"):
        build(gaps.raw, tmp_path / "begun", extend=True)


def test_while_another_build_works(gaps, copy):
    out = copy(gaps.out)
    with exclusive(out), pytest.raises(BuildError, match=r"Another build is working in"):
        build(gaps.raw, out, gaps.late, extend=True)
    assert not (out / "generations").exists()


def test_reasons_that_are_none(gaps):
    message = (
        "'crahsed' is no reason for which a video can be tried anew; these are: wrong_folder, zero_bytes,"
    )
    with pytest.raises(ValueError, match=message):
        build(gaps.raw, gaps.out, extend=True, retry=["crahsed"])
    code, output = command(gaps, gaps.out, "--extend", "--retry", "timed_out,crahsed")
    assert (code, message in output) == (2, True)
    with pytest.raises(ValueError, match=r"'two_labels' is no reason"):
        build(gaps.raw, gaps.out, extend=True, retry=["two_labels"])
    with pytest.raises(ValueError, match=r"needs extend \(--extend\)"):
        build(gaps.raw, gaps.out, retry=["crashed"])


def test_a_full_disk(gaps, extended, copy, monkeypatch):
    out = copy(gaps.out)
    from vidprep.builder.extending import next_generation

    def no_room(path, data):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as full:
        full.setattr(next_generation, "write_whole", no_room)
        with pytest.raises(BuildError, match=r"No room left on the disk .* finished shards are kept"):
            build(gaps.raw, out, gaps.late, extend=True)
    assert vidprep.ShardSet.open(out).fingerprint == vidprep.ShardSet.open(gaps.out).fingerprint
    assert tar_hashes(out) == tar_hashes(gaps.out)
    build(gaps.raw, out, gaps.late, extend=True)
    assert tar_hashes(out) == tar_hashes(extended.out)


def test_the_command_line(gaps, copy):
    out = copy(gaps.out)
    code, output = command(gaps, out)
    assert (code, "4 of 4 missing videos are there now: --extend adds them in new shards." in output) == (
        0,
        True,
    )
    code, output = command(gaps, out, "--extend")
    assert code == 0
    assert (
        "Generation 2: 4 missing videos were found; 4 used in 2 new shards, 0 rejected. Shard set:" in output
    )
    code, output = command(gaps, out, "--extend", "--retry", "crashed")
    assert (code, "Nothing to add: this stays generation 2." in output) == (0, True)
