"""One's own videos without a file, parts of videos, folders of images, several labels: to shards."""

import json

import pandas as pd
import pytest
from PIL import Image

import vidprep
from tests.helpers.raw_videos.small_datasets import put, put_text
from tests.helpers.raw_videos.videos import numbered_video
from vidprep.datasets.leakage import shared_videos
from vidprep.errors import AnnotationError, BuildError, RecipeError, SourceError
from vidprep.recipes.own_videos import write_templates
from vidprep.shards.index import read_index
from vidprep.shards.layout import unescaped_id
from vidprep.shards.ledger import read_ledger

SMALL = ["transcode.short_side=48"]


def video(path, num_frames=6):
    path.parent.mkdir(parents=True, exist_ok=True)
    numbered_video(path, num_frames, width=64, height=48)
    return path


def build(out, recipe=None, **options):
    result = vidprep.build(recipe, out, overrides=SMALL, in_process=True, **options)
    assert vidprep.verify(out, num_workers=0).problems == ()
    return result, read_index(out).to_pandas().set_index("video_id")


def test_a_folder_a_class(tmp_path):
    for name in ("cat jumps/a.b!.mp4", "cat jumps/b.mp4", "dog/Übung.mp4"):
        video(tmp_path / "My clips" / name)
    result, index = build(tmp_path / "out", from_folders=tmp_path / "My clips", val_fraction=0.4)
    definition = result.manifest.recipe.dataset.definition
    assert (result.manifest.recipe.name, definition.labels.classes) == ("my_clips", ("cat jumps", "dog"))
    assert index["class"].to_dict() == {
        "cat jumps/a.b!.mp4": "cat jumps",
        "cat jumps/b.mp4": "cat jumps",
        "dog/Übung.mp4": "dog",
    }
    assert [unescaped_id(key) for key in index["key"]] == list(index.index)
    assert set(index["split"]) == {"train", "validation"}


def test_split_folders_and_a_test_folder(tmp_path):
    for name in ("train/a/1.mp4", "train/b/1.mp4", "val/a/1.mp4", "test/b/9.mp4"):
        put(tmp_path / "v" / name)
    rows = vidprep.audit(from_folders=tmp_path / "v").inventory.rows
    assert dict(zip(rows["video_id"], rows["split"], strict=True)) == {
        "train/a/1.mp4": "train",
        "train/b/1.mp4": "train",
        "val/a/1.mp4": "validation",
    }


def test_a_hash_decides_who_validates(tmp_path):
    for number in range(40):
        put(tmp_path / f"v/a/{number}.mp4")
    first = vidprep.audit(from_folders=tmp_path / "v", val_fraction=0.25).inventory.rows
    put(tmp_path / "v/a/new.mp4")
    second = vidprep.audit(from_folders=tmp_path / "v", val_fraction=0.25).inventory.rows
    splits = second.set_index("video_id")["split"]
    assert splits.drop("a/new.mp4").to_dict() == first.set_index("video_id")["split"].to_dict()
    assert 4 <= (first["split"] == "validation").sum() <= 16
    other = vidprep.audit(from_folders=tmp_path / "v", val_fraction=0.25, val_seed=1).inventory.rows
    assert list(other["split"]) != list(second["split"])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("Cat_jumps/1.mp4", "cat jumps/1.mp4"),
            r"'cat jumps' \(video cat jumps/1.mp4\) differ only in case",
        ),
        (("a/1.mp4", "b/notes.txt"), r"The class folder .*/v/b holds no video \(it has notes.txt\)"),
        (("a/1.mp4", "2.mp4"), r"2.mp4 lies in no class folder \(1 such videos\)"),
        (("train/a/1.mp4", "b/1.mp4"), "b/1.mp4 lies in no split folder, train/a/1.mp4 does"),
        (("notes.txt",), "No class folders with videos under"),
    ],
)
def test_folders_that_cannot_be_read_as_classes(tmp_path, names, message):
    for name in names:
        put(tmp_path / "v" / name)
    with pytest.raises((AnnotationError, SourceError), match=message):
        vidprep.build(out_dir=tmp_path / "out", from_folders=tmp_path / "v", in_process=True)
    assert not (tmp_path / "out").exists()


def test_a_list_with_parts_of_videos(tmp_path):
    video(tmp_path / "v/x/long one.mp4", 30)
    text = "\ufefflabel,path,start,end\r\nb,x/long one.mp4,0.1,0.3\r\na,./x/long one.mp4,,\r\n"
    csv = put(tmp_path / "mine.csv", text.encode())
    _, index = build(tmp_path / "out", from_csv=[csv], root=tmp_path / "v", val_fraction=0.0)
    assert index["num_frames"].to_dict() == {"x/long one.mp4": 30, "x/long one.mp4#0.1-0.3": 6}
    assert index["label"].to_dict() == {"x/long one.mp4": 0, "x/long one.mp4#0.1-0.3": 1}


def test_a_part_beyond_the_end_is_named_in_the_ledger(tmp_path):
    video(tmp_path / "v/a.mp4", 30)
    csv = put_text(tmp_path / "mine.csv", "path,label,start,end\na.mp4,x,0,0.5\na.mp4,x,0,9\n")
    build(tmp_path / "out", from_csv=[csv], root=tmp_path / "v", val_fraction=0.0)
    rejected = [row for row in read_ledger(tmp_path / "out").to_pylist() if row["status"] == "rejected"]
    assert [row["reason"] for row in rejected] == ["beyond_end"]
    assert "segment 0 to 9 s (mine.csv line 3); the source lasts 1 s" in rejected[0]["detail"]


def test_path_label_lines_for_both_splits(tmp_path):
    for name in ("a 1.mp4", "b.mp4"):
        put(tmp_path / "v" / name)
    train = put_text(tmp_path / "train.csv", f"{tmp_path}/v/a 1.mp4 10\n")
    val = put_text(tmp_path / "val.csv", "b.mp4 9\n")
    found = vidprep.audit(from_csv=[train, val], root=tmp_path / "v").inventory
    assert found.classes == ("9", "10")
    assert list(found.rows["status"]) == ["present", "present"]
    assert list(found.rows["split"]) == ["train", "validation"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("path,label\ncaf\xe9.mp4,a\n".encode("latin-1"), r"line 2 is no UTF-8 text .*may be in Latin-1"),
        (b"path,label\n" + b"a.mp4,x\n" * 5000 + b"a.mp4\n", "line 5002: 1 columns, the header has 2"),
        (b"path,label,split\na.mp4,x,dev\n", "line 2: split must be one of train, .* got 'dev'"),
        (b"path,label,start,end\na.mp4,x,3,2\n", "line 2: end must be after start, got 3 to 2"),
        (b"path,label,start\na.mp4,x,3\n", "'start' and 'end' go together"),
        (b"file,class\na.mp4,x\n", "the header must name path and label"),
        (b"path,label\na.mp4,\n", "line 2: label is empty"),
    ],
)
def test_lists_that_cannot_be_read(tmp_path, data, message):
    put(tmp_path / "v/a.mp4")
    with pytest.raises((AnnotationError, RecipeError), match=message):
        vidprep.build(out_dir=tmp_path / "out", from_csv=[put(tmp_path / "l.csv", data)], root=tmp_path / "v")
    assert not (tmp_path / "out").exists()


def test_what_does_not_go_together(tmp_path):
    with pytest.raises(RecipeError, match="Which videos"):
        vidprep.build(out_dir=tmp_path / "out")
    with pytest.raises(RecipeError, match="--from-csv needs --root DIR"):
        vidprep.audit(from_csv=[tmp_path / "x.csv"])
    with pytest.raises(RecipeError, match="leave out --source"):
        vidprep.audit(from_folders=tmp_path, sources=[tmp_path])


def jpegs(folder, count):
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        Image.new("L", (64, 48), 20 * number).convert("RGB").save(folder / f"{number:05d}.jpg", quality=95)


def test_folders_of_images_are_videos(tmp_path):
    put_text(tmp_path / "jester-v1-train.csv", "7;Swiping Left\n8;No gesture\n9;Swiping Up\n")
    for name, count in (("7", 9), ("8", 4), ("9", 4)):
        jpegs(tmp_path / "20bn-jester-v1" / name, count)
    (tmp_path / "20bn-jester-v1/9/00002.jpg").unlink()
    _, index = build(tmp_path / "out", "jester", sources=[tmp_path])
    assert index[["num_frames", "fps", "label"]].to_dict("index") == {
        "7": {"num_frames": 9, "fps": 12.0, "label": 0},
        "8": {"num_frames": 4, "fps": 12.0, "label": 25},
    }
    rejected = [row for row in read_ledger(tmp_path / "out").to_pylist() if row["status"] == "rejected"]
    assert [(row["reason"], row["detail"]) for row in rejected] == [
        ("partial", "frame 2 is missing before 00003.jpg")
    ]
    with pytest.raises(RecipeError, match=r"keeps files whole, samples of 20BN-Jester are folders of images"):
        vidprep.build("jester", tmp_path / "copy", sources=[tmp_path], overrides=["transcode.mode=copy"])


def test_verb_and_noun_stand_in_json_and_index(tmp_path):
    video(tmp_path / "v/P01/videos/P01_11.MP4", 60)
    put_text(
        tmp_path / "v/rulstm_training.csv", "P01_11_0,P01_11,1,30,0,2,106\nP01_11_1,P01_11,31,45,1,1,7\n"
    )
    _, index = build(tmp_path / "out", "epic100", sources=[tmp_path / "v"])
    assert index[["class", "label", "class_noun", "label_noun", "num_frames"]].to_dict("index") == {
        "P01_11_0": {"class": "take", "label": 0, "class_noun": "plate", "label_noun": 2, "num_frames": 30},
        "P01_11_1": {"class": "put", "label": 1, "class_noun": "spoon", "label_noun": 1, "num_frames": 15},
    }
    row = index.loc["P01_11_1"]
    with (tmp_path / "out" / row["shard"]).open("rb") as tar:
        tar.seek(row["json_offset"])
        facts = json.loads(tar.read(row["json_size"]))
    assert (facts["class_noun"], facts["label_noun"]) == ("spoon", 1)


def test_files_to_start_from_can_be_built_from(tmp_path):
    _, pipeline = write_templates("mine", tmp_path)
    video(tmp_path / "v/a.mp4")
    put_text(tmp_path / "v/train.csv", "path,label\na.mp4,x\n")
    result, _ = build(tmp_path / "out", str(pipeline), sources=[tmp_path / "v"])
    assert result.manifest.recipe.dataset.definition.labels.classes == ("x",)
    with pytest.raises(RecipeError, match="is there already"):
        write_templates("mine", tmp_path)
    with pytest.raises(RecipeError, match="'k400' comes with vidprep"):
        write_templates("k400", tmp_path)
    text = (tmp_path / "mine_dataset.toml").read_text()
    put_text(tmp_path / "wrong.toml", text.replace("any_order", "anyorder"))
    with pytest.raises(RecipeError, match=r"wrong.toml, line \d+: unknown key 'lists.0.anyorder'"):
        vidprep.audit(dataset=tmp_path / "wrong.toml", sources=[tmp_path / "v"])


def test_videos_that_two_datasets_share():
    ours = pd.DataFrame(
        {
            "split": ["validation", "train", "validation"],
            "video_id": ["a_000001_000011", "b_000001_000011", "c_000001_000011"],
            "class": "x",
        }
    )
    theirs = pd.DataFrame(
        {
            "split": ["train", "train", "train"],
            "video_id": ["a_000010_000020", "b_000001_000011", "c_000011_000021"],
            "class": "y",
        }
    )
    shared = shared_videos(ours, theirs)
    assert shared[["video_id", "other_id", "overlap_seconds"]].to_numpy().tolist() == [
        ["a_000001_000011", "a_000010_000020", 1.0]
    ]


def test_a_set_of_ones_own_is_extended_by_what_was_missing(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        video(tmp_path / "v" / name)
    csv = put_text(tmp_path / "mine.csv", "path,label\na.mp4,x\nb.mp4,y\nlate.mp4,y\n")
    options = {"from_csv": [csv], "root": tmp_path / "v", "val_fraction": 0.0}
    before, _ = build(tmp_path / "out", **options)
    assert before.manifest.totals["train"].missing == 1
    video(tmp_path / "v/late.mp4")
    after, index = build(tmp_path / "out", extend=True, **options)
    assert after.manifest.generation == 2 and list(index.index)[-1] == "late.mp4"
    with pytest.raises(
        BuildError, match="was built differently: the dataset's file, folders or classes changed"
    ):
        build(tmp_path / "out", extend=True, **options | {"val_fraction": 0.5})


def test_classes_of_a_finished_set_are_frozen(tmp_path):
    for name in ("cat/1.mp4", "dog/1.mp4"):
        video(tmp_path / "v" / name)
    build(tmp_path / "out", from_folders=tmp_path / "v", val_fraction=0.0)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    put(tmp_path / "v/dogs/1.mp4")
    message = (
        r"none of the 2 classes of v, .*: 'dogs' \(1\), e.g. dogs/1.mp4. Did you mean 'dog'\? .* new folder"
    )
    with pytest.raises(SourceError, match=message):
        build(tmp_path / "out", from_folders=tmp_path / "v", val_fraction=0.0, extend=True)
    assert {path: path.read_bytes() for path in before} == before
    csv = put_text(tmp_path / "mine.csv", "path,label\ncat/1.mp4,cat\n")
    options = {"from_csv": [csv], "root": tmp_path / "v", "val_fraction": 0.0}
    build(tmp_path / "listed", **options)
    put_text(csv, "path,label\ncat/1.mp4,cat\ndogs/1.mp4,dogs\n")
    with pytest.raises(AnnotationError, match=r"mine.csv: line 3: mine.csv has no class 'dogs'"):
        build(tmp_path / "listed", extend=True, **options)
