"""A subset is copied, and is to the byte what a build from the raw videos gives."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.paths import RELEASE_0_1
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import CLASSES, Raw
from vidprep.builder import build
from vidprep.builder.copying.subset import subset
from vidprep.errors import BuildError, RecipeError, ShardError
from vidprep.shards.checks import verify
from vidprep.shards.index import read_index
from vidprep.shards.ledger import read_ledger
from vidprep.synth.dataset import write_k400, write_ssv2

SMALL = ("transcode.short_side=48", "shards.samples_per_shard=4")
# What must not depend on the way; README.md and manifest.json name the same hashes.
FILES = ("classes.json", "index.parquet", "ledger.parquet", "manifest.json", "README.md")


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Three classes with a broken, an empty and a missing video."""
    raw = Raw(tmp_path_factory.mktemp("raw"))
    for number in range(18):
        raw.add(f"video{number}", label=CLASSES[number % 3], num_frames=4 + number % 5)
    for number in range(6):
        raw.add(f"held_out{number}", split="val", label=CLASSES[number % 3])
    broken = raw.add("broken", label=CLASSES[0], num_frames=30)
    broken.write_bytes(broken.read_bytes()[:900])
    raw.add("empty", label=CLASSES[1], write=False).write_bytes(b"")
    raw.add("gone", label=CLASSES[1], write=False)
    return raw


@pytest.fixture(scope="module")
def full(raw, tmp_path_factory):
    """The set of all classes; never changed by a test."""
    out = tmp_path_factory.mktemp("full") / "set"
    return build("k400", out, sources=[raw.folder], overrides=SMALL, in_process=True).out_dir


@pytest.fixture
def two_classes(tmp_path):
    path = tmp_path / "two_classes.txt"
    path.write_text("\n".join(CLASSES[:2]))
    return path


def contents(shards_dir):
    tars = sorted(path.relative_to(shards_dir).as_posix() for path in shards_dir.glob("*/*.tar"))
    return {name: (shards_dir / name).read_bytes() for name in (*tars, *FILES)}


def assert_same(ours, theirs):
    left, right = contents(ours), contents(theirs)
    assert left.keys() == right.keys()
    assert [name for name in left if left[name] != right[name]] == []


def test_classes_of_ones_own(raw, full, two_classes, tmp_path):
    made = subset(full, tmp_path / "subset", class_list=two_classes).out_dir
    options = {"sources": [raw.folder], "overrides": SMALL, "in_process": True}
    built = build("k400", tmp_path / "built", class_list=two_classes, **options).out_dir
    assert_same(made, built)
    assert verify(made, decode=True, num_workers=0).problems == ()
    ledger = read_ledger(made).to_pandas()
    assert sorted(ledger["status"].value_counts().items()) == [("missing", 1), ("rejected", 2), ("used", 16)]


def test_a_published_subset(raw, full, tmp_path):
    made = subset(full, tmp_path / "subset", subset="mini_k400").out_dir
    options = {"sources": [raw.folder], "overrides": SMALL, "in_process": True}
    assert_same(made, build("mini_k400", tmp_path / "built", **options).out_dir)


def test_fewer_videos_and_other_shards(raw, full, tmp_path):
    settings = ["shards.samples_per_shard=3"]
    made = subset(full, tmp_path / "subset", limit=5, overrides=settings).out_dir
    options = {"sources": [raw.folder], "overrides": [SMALL[0], *settings], "in_process": True}
    assert_same(made, build("k400", tmp_path / "built", limit=5, **options).out_dir)


def test_chosen_ids(full, tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("video3_000000_000010\n\nheld_out1_000000_000010\n")
    made = subset(full, tmp_path / "subset", ids=ids).out_dir
    ledger = read_ledger(made).to_pandas()
    assert set(ledger["video_id"]) == {"video3_000000_000010", "held_out1_000000_000010"}
    assert verify(made, decode=True, num_workers=0).problems == ()


def test_one_split(full, tmp_path):
    made = subset(full, tmp_path / "subset", splits=["validation"])
    assert made.manifest.totals["train"].annotated == 0
    assert made.manifest.totals["validation"].used == 6


def test_a_set_of_the_last_release(tmp_path):
    classes = tmp_path / "some.txt"
    held = sorted(set(read_index(RELEASE_0_1 / "shards")["class"].to_pylist()))
    classes.write_text("\n".join(held[:2]))
    source = shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "full")
    made = subset(source, tmp_path / "subset", class_list=classes)
    assert verify(made.out_dir, decode=True, num_workers=0).problems == ()


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(full, two_classes, tmp_path):
    whole = subset(full, tmp_path / "whole", class_list=two_classes).out_dir
    command = [sys.executable, "-m", "vidprep", "subset", str(full), "--class-list", str(two_classes)]
    command += ["--out", str(tmp_path / "killed")]
    for seconds in (0.9, 1.1, 1.2, 1.3, 1.5):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=240)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=240)
    assert_same(tmp_path / "killed", whole)


def test_what_cannot_be_had(full, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(RecipeError, match="'mini_ssv2' is a subset of ssv2, this set holds k400"):
        subset(full, out, subset="mini_ssv2")
    with pytest.raises(RecipeError, match=r"transcode\.\* cannot be set"):
        subset(full, out, overrides=["transcode.crf=20"])
    unknown = tmp_path / "ids.txt"
    unknown.write_text("video3_000000_000010\nnobody\n")
    with pytest.raises(RecipeError, match=r"ids\.txt: 1 of 2 ids are not annotated .* e\.g\. 'nobody'"):
        subset(full, out, ids=unknown)
    with pytest.raises(RecipeError, match=r"none\.txt: not a list of ids"):
        subset(full, out, ids=tmp_path / "none.txt")
    empty = tmp_path / "empty.txt"
    empty.write_text("zumba\n")
    with pytest.raises(BuildError, match="holds none of the videos that were asked for"):
        subset(full, out, class_list=empty)
    assert not out.exists()


def test_a_damaged_full_set_is_named_and_mended_later(full, two_classes, tmp_path):
    damaged = shutil.copytree(full, tmp_path / "full")
    row = next(row for row in read_index(damaged).to_pylist() if row["class"] == CLASSES[0])
    tar = damaged / row["shard"]
    good = tar.read_bytes()
    middle = row["mp4_offset"] + row["mp4_size"] // 2
    tar.write_bytes(good[:middle] + bytes(20) + good[middle + 20 :])
    with pytest.raises(ShardError, match=rf"{row['key']} is not the video that the index names"):
        subset(damaged, tmp_path / "subset", class_list=two_classes)
    tar.write_bytes(good)
    made = subset(damaged, tmp_path / "subset", class_list=two_classes).out_dir
    assert_same(made, subset(full, tmp_path / "whole", class_list=two_classes).out_dir)


def move_a_class_out(raw, before, after):
    """Let the videos of a class be those of one that no mini set has: in the lists, and their folder."""
    for name in ("train", "validation", "validate"):
        for path in (raw / "annotations").glob(f"*{name}.*"):
            path.write_text(path.read_text().replace(before, after))
    for folder in (raw / split / before for split in ("train", "val")):
        if folder.is_dir():
            folder.rename(folder.with_name(after))


@pytest.mark.parametrize(
    ("dataset", "num_classes", "write", "outside"),
    [
        (
            "ssv2",
            87,
            write_ssv2,
            ("Pushing [something] from left to right", "Moving [something] down"),
        ),
        pytest.param("k400", 200, write_k400, ("driving car", "abseiling"), marks=pytest.mark.slow),
    ],
)
def test_a_mini_set_of_a_synthetic_one_whose_videos_are_gone(tmp_path, dataset, num_classes, write, outside):
    raw, full, built, made = (tmp_path / name for name in ("raw", "full", "built", "made"))
    write(raw, num_classes=2, videos_per_class=2, validation_per_class=1)
    move_a_class_out(raw, *outside)
    words = ["--source", raw, "--sync", *(word for setting in SMALL for word in ("--set", setting))]
    for command in (["build", dataset, "--out", full], ["build-mini", "--src", dataset, "--out", built]):
        classes = ["--classes", num_classes] if "build-mini" in command else []
        done = run_here(*command, *classes, *words)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(raw)
    done = run_here("subset", full, "--subset", f"mini_{dataset}", "--out", made)
    assert done.returncode == 0, done.stderr
    assert_same(made, built)
    assert (len(read_index(made)), len(read_index(full))) == (3, 6)
