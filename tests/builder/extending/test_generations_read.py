"""Other commands and the loaders on a set of two generations, and an extension of a set of release 0.1."""

import json
import re

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.paths import RELEASE_0_1
from tests.helpers.sets.builds import problems
from tests.helpers.sets.numbered import encode
from vidprep.builder.progress.status import read_status
from vidprep.cli.main import app
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import read_manifest
from vidprep.shards.passports.comparison import compare_passports
from vidprep.shards.passports.making import open_passport

CLIP = vidprep.TrainClip(clip_len=2, crop_size=32, flip="none")


def loader(shards):
    options = vidprep.LoaderOptions(num_workers=0)
    return vidprep.ClipLoader(shards, "train", clip=CLIP, batch_size=2, options=options)


def run(*arguments):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "300"})
    return done.exit_code, f"{' '.join(done.output.split())} {done.exception}"


def test_a_position_is_of_its_generation(extended):
    state = loader(extended.before).state_dict()
    message = r"one in generation 1 of \S+, and this is generation 2, .* \(generation=1\)"
    with pytest.raises(ValueError, match=message):
        loader(extended.out).load_state_dict(state)
    as_it_was = loader(vidprep.ShardSet.open(extended.out, generation=1))
    as_it_was.load_state_dict(state)
    assert len(as_it_was) == len(loader(extended.before))


def test_the_commands_read_a_generation(extended, tmp_path):
    code, output = run("ledger", extended.out)
    assert (code, "missing 0 0" in output, ": 4 missing videos were found; 4 used." in output) == (
        0,
        True,
        True,
    )
    code, output = run("ledger", extended.out, "--generation", "1", "--list", "missing")
    assert (code, "missing 3 1" in output, "train-video1_" in output) == (0, True, True)
    code, output = run("ledger", extended.out, "--generation", "3")
    assert (code, "has no generation 3; it has 1 to 2" in output) == (1, True)
    for command in (["train"], ["eval", "--checkpoint", tmp_path]):
        arguments = ["--shards", extended.out, "--out", tmp_path / "out", "--generation", "3"]
        code, output = run(*command, *arguments)
        assert (code, "has no generation 3; it has 1 to 2" in output) == (1, True)


def test_explain_and_status_know_the_extension(extended):
    stories = [dict(story) for story in vidprep.explain(extended.out, "train-video1_000000_000010")]
    assert stories[0]["planned for"].endswith("of the extension in generation-0002")
    assert stories[0]["stored in"].startswith("train/mini_k400-train-000002.tar")
    state = read_status(extended.out)
    assert (state.state, state.generation) == ("complete", 2)
    totals = read_manifest(extended.out).totals.values()
    assert state.num_videos == state.num_videos_done == sum(one.used for one in totals)
    assert (state.num_missing, state.num_rejected) == (0, 0)
    assert state.num_shards == state.num_shards_done == sum(one.num_shards for one in totals)


def test_passports_of_both_generations_differ_in_what_was_added(extended):
    found = compare_passports(open_passport(extended.before), open_passport(extended.out))
    assert found.counts().loc["only_second"].tolist() == [3, 1]


def test_a_set_of_release_0_1_is_extended(copy, tmp_path):
    out = copy(RELEASE_0_1 / "shards")
    before = {path.name: path.read_bytes() for path in out.glob("*/*.tar")}
    source = tmp_path / "found" / "2448.webm"
    source.parent.mkdir()
    source.write_bytes(encode(24, 0, width=64, height=64, path=tmp_path))
    rows = read_ledger(out).to_pylist()
    for split in ("train", "validation"):
        annotated = [
            {"id": row["video_id"], "template": re.sub("([Ss]omething)", r"[\1]", row["class"])}
            for row in rows
            if row["split"] == split
        ]
        (tmp_path / f"{split}.json").write_text(json.dumps(annotated))
    result = vidprep.build(
        read_manifest(out).recipe,
        out,
        sources=[source.parent],
        annotations=[tmp_path / "train.json", tmp_path / "validation.json"],
        in_process=True,
        extend=True,
        retry=["zero_bytes"],
    )
    assert result.extension.num_added == {"train": 1, "validation": 0}
    assert problems(out) == []
    assert before.items() <= {path.name: path.read_bytes() for path in out.glob("*/*.tar")}.items()
    assert read_manifest(out, 1) == read_manifest(RELEASE_0_1 / "shards")
