"""Tars of other writers are indexed, then verified, reported on, loaded, evaluated and given a passport."""

import json
import shutil

import pytest
import torch

import vidprep
from tests.helpers.programs.program import run_here
from tests.shards.third_party.conftest import NUM_VIDEOS, WRITERS, video2dataset
from vidprep.errors import ShardError
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model import build_model
from vidprep.model.weight_files import checkpoint
from vidprep.recipes.recipe import DatasetStage, EvalViews, ModelStage, Recipe, TrainClip
from vidprep.shards.index import read_index
from vidprep.shards.third_party.splits import SplitRule, read_split_rule

VIEWS = EvalViews(clip_len=4, num_clips=2, num_crops=1, crop_size=48)
INLINE = LoaderOptions(num_workers=0)


@pytest.fixture(params=WRITERS)
def indexed(request, written, tmp_path):
    """A folder that has just been indexed, and what was found."""
    folder = shutil.copytree(written[request.param], tmp_path / request.param)
    return folder, vidprep.index_tars(folder, num_workers=0), WRITERS[request.param][1]


def network(path, *, classes=("0", "1", "2")):
    """A checkpoint with its own recipe, as `vidprep train --recipe` leaves one."""
    stage = ModelStage(depth=18, width=4)
    recipe = Recipe(name="any", title="Any", dataset=DatasetStage(name="k400"), model=stage, eval_views=VIEWS)
    torch.manual_seed(0)
    content = checkpoint(build_model(stage, len(classes)), recipe, classes)
    torch.save(content | {"position": {"epoch": 1, "step": 0, "total_steps": 3}}, path)
    return path


def test_everything_works_on_them(indexed, videos, tmp_path, monkeypatch):
    folder, found, splits = indexed
    assert found.num_videos == splits and not found.left_out and not found.num_unlabelled
    rows = read_index(folder).to_pylist()
    assert len({row["key"] for row in rows}) == len(rows)
    known = {(label, num_frames) for _, label, num_frames in videos}
    assert {(row["label"], row["num_frames"]) for row in rows} == known
    checked = vidprep.verify(folder, decode=True, num_workers=0)
    assert checked.problems == () and checked.num_samples == len(rows) and checked.against == "index"
    loader = ClipLoader(
        folder, clip=TrainClip(clip_len=2, crop_size=48), batch_size=4, drop_last=False, options=INLINE
    )
    keys = [key for batch in loader for key in batch.key]
    assert sorted(keys) == sorted(row["key"] for row in rows if row["split"] == "train")
    split = next(iter(splits))
    said = run_here(
        *("eval", "--shards", folder, "--checkpoint", network(tmp_path / "net.pt"), "--split", split),
        *("--out", tmp_path / "evals", "--workers", 0),
    )
    assert said.returncode == 0, said.stderr
    results = next((tmp_path / "evals").rglob("results.json"))
    assert json.loads(results.read_text())["coverage"]["scored"] == splits[split]
    page = vidprep.write_report([folder, tmp_path / "evals"], tmp_path / "report.html")
    assert "others: no manifest" in (tmp_path / "report.html").read_text() and page
    ours = vidprep.passport(folder, tmp_path / "ours.parquet")
    assert {name: total.used for name, total in ours.head.totals.items()} == splits
    assert ours.rows["content"].notna().all() and len(ours.head.classes) == 3
    assert vidprep.compare(tmp_path / "ours.parquet", folder).same_annotation


def test_names_are_numbered(written, tmp_path):
    folder = shutil.copytree(written["shard_writer"], tmp_path / "set")
    done = run_here("index", folder, "--workers", 1)
    assert done.returncode == 0, done.stderr
    assert "6 videos in 3 tars (train 4, val 2); 0 left out, 0 without a label" in done.stdout
    rows = read_index(folder).to_pylist()
    assert {(row["label"], row["class"]) for row in rows} == {(n, f"class {n}") for n in range(3)}
    assert "all as the index says" in run_here("verify", folder, "--workers", 1).stdout


def test_a_network_that_means_other_classes_is_refused(written, tmp_path):
    folder = shutil.copytree(written["shard_writer"], tmp_path / "set")
    vidprep.index_tars(folder, num_workers=0)

    def evaluate(*classes):
        checkpoint_path = network(tmp_path / "net.pt", classes=classes)
        options = ("--split", "val", "--out", tmp_path / "out", "--workers", 0)
        return run_here("eval", "--shards", folder, "--checkpoint", checkpoint_path, *options)

    done = evaluate("class 0", "class 1", "class 10", "class 2")
    assert done.returncode == 1
    assert "calls label 2 'class 10', the tars of" in done.stderr and "call it 'class 2'" in done.stderr
    assert evaluate("class 0", "class 1", "class 2").returncode == 0


def test_damage_is_found(written, tmp_path):
    folder = shutil.copytree(written["video2dataset"], tmp_path / "set")
    vidprep.index_tars(folder, num_workers=0)
    rows = read_index(folder).to_pylist()
    tar = folder / "00001.tar"
    data = bytearray(tar.read_bytes())
    data[rows[4]["mp4_offset"] + 100] ^= 1
    tar.write_bytes(data)
    (folder / "00000.tar").rename(folder / "00007.tar")
    problems = vidprep.verify(folder, num_workers=0).problems
    assert problems[0].startswith("00007.tar is not in index.parquet. Run `vidprep index")
    assert problems[1].startswith("00000.tar is missing. Copy it again")
    assert problems[2].startswith(f"00001.tar: {rows[4]['key']}: the video's checksum differs from the index")
    assert len(problems) == 3
    tar.write_bytes(data[: rows[4]["mp4_offset"]])
    assert "the video ends at byte" in vidprep.verify(folder, num_workers=0).problems[2]
    assert run_here("verify", folder, "--workers", 1).returncode == 1


def test_samples_without_a_label_have_no_passport(videos, tmp_path):
    video2dataset(tmp_path / "set", [(data, None, frames) for data, _, frames in videos[:2]])
    found = vidprep.index_tars(tmp_path / "set", num_workers=0)
    assert found.num_unlabelled == 2
    with pytest.raises(ShardError, match="000000000 has no label, and a passport says which class"):
        vidprep.passport(tmp_path / "set", tmp_path / "ours.parquet")


def test_numbers_and_names_are_not_mixed(videos, tmp_path):
    labels = ["yoga", 3]
    video2dataset(tmp_path / "set", [(v[0], label, v[2]) for v, label in zip(videos, labels, strict=False)])
    message = r"000000001 has the label 3, 00000.tar: 000000000 the label 'yoga'. Give all of them numbers"
    with pytest.raises(ShardError, match=message):
        vidprep.index_tars(tmp_path / "set", num_workers=0)


def test_facts_that_cannot_be_read_leave_a_sample_out(written, tmp_path):
    folder = shutil.copytree(written["video2dataset"], tmp_path / "set")
    tar = folder / "00000.tar"
    tar.write_bytes(tar.read_bytes().replace(b'{"key": "000000001"', b'["key", "000000001"'))
    found = vidprep.index_tars(folder, num_workers=0)
    assert found.num_videos == {"train": NUM_VIDEOS - 1}
    assert "the member json holds no label" in found.left_out["000000001"]


def test_tables_are_no_tars(tmp_path):
    (tmp_path / "train-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ShardError, match=r"but tables such as train-00000.parquet. Videos inside parquet files"
    ):
        vidprep.index_tars(tmp_path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("000.tar", "train"),
        ("validation/000.tar", "validation"),
        ("data/train-00000-of-00010.tar", "train"),
        ("val_3.tar", "validation"),
        ("data/Test.tar", "test"),
        ("trainers-01.tar", "train"),
        ("a/b/trainers-01.tar", "a/b"),
    ],
)
def test_names_and_folders_tell_the_split(name, split):
    assert SplitRule().split_of(name) == split


def test_energons_splits(written):
    rule = read_split_rule(written["energon"])
    names = [f"shard_{number:03d}.tar" for number in range(4)]
    assert [rule.split_of(name) for name in names] == ["train", "train", "validation", None]


@pytest.mark.parametrize("text", ["[]", "split_parts: 3", "a: b: c", "other: {}"])
def test_a_split_file_that_is_none(text, tmp_path):
    (tmp_path / ".nv-meta").mkdir()
    (tmp_path / ".nv-meta/split.yaml").write_text(text)
    with pytest.raises(ShardError, match=r"split.yaml names no splits .* Run `energon prepare` again"):
        read_split_rule(tmp_path)
