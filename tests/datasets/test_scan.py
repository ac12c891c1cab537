"""One pass over a source: what counts as a video, on a disk and in a store."""

import os

import fsspec
import pytest

from tests.helpers.raw_videos.small_datasets import put
from vidprep.datasets.scan import scan_sources
from vidprep.errors import SourceError

SUFFIXES = (".mp4", ".webm")


def scan(*sources):
    return scan_sources([str(source) for source in sources], SUFFIXES, remedy="Pass --source DIR.")


def faults(found):
    return {row.video_id: row.fault for row in found.files.itertuples()}


def test_files_at_any_depth_sorted_by_path(tmp_path):
    put(tmp_path / "b/deep/er/2.mp4", b"22")
    put(tmp_path / "1.WEBM", b"1")
    put(tmp_path / "a/3.mp4", b"")
    put(tmp_path / "a/cover.jpg")
    put(tmp_path / "README")
    found = scan(tmp_path)
    columns = ["source_dir", "source_rank", "source", "folder", "video_id", "source_bytes", "fault"]
    assert found.files[columns].to_numpy().tolist() == [
        [str(tmp_path), 0, "1.WEBM", "", "1", 1, ""],
        [str(tmp_path), 0, "a/3.mp4", "a", "3", 0, ""],
        [str(tmp_path), 0, "b/deep/er/2.mp4", "b/deep/er", "2", 2, ""],
    ]
    assert found.others == {".jpg": 1, "suffixless": 1}


def test_several_sources_keep_their_order(tmp_path):
    put(tmp_path / "z/1.mp4")
    put(tmp_path / "a/1.mp4")
    files = scan(tmp_path / "z", tmp_path / "a").files
    assert list(zip(files["source_dir"], files["source_rank"], strict=True)) == [
        (str(tmp_path / "z"), 0),
        (str(tmp_path / "a"), 1),
    ]


def test_hidden_files_and_folders_are_no_videos(tmp_path):
    put(tmp_path / ".snapshot/1.mp4")
    put(tmp_path / ".2.mp4")
    put(tmp_path / "._3.mp4")
    assert faults(scan(tmp_path)) == {"3": "a macOS '._' file, which holds no video"}


def test_what_is_no_file_cannot_be_used(tmp_path):
    (tmp_path / "1.mp4").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "2.mp4")  # opening it would wait for ever
    put(tmp_path / "folder.mp4/3.mp4")
    assert faults(scan(tmp_path)) == {
        "1": "a file that cannot be reached (No such file or directory)",
        "2": "something that is no regular file",
        "3": "",
    }


def test_links_are_followed_and_loops_end(tmp_path):
    put(tmp_path / "disk/1.mp4")
    put(tmp_path / "source/own.mp4")
    (tmp_path / "source/train").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/again").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/up").symlink_to(tmp_path / "source")
    assert list(scan(tmp_path / "source").files["source"]) == ["own.mp4", "train/1.mp4"]


def test_a_name_that_is_no_utf8_is_shown_and_not_used(tmp_path):
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(folder)  # noqa: PTH102  # pathlib has no bytes
    with open(folder + b"/1.mp4", "wb") as file:  # noqa: PTH123
        file.write(b"v")
    put(tmp_path / "ünïcode/2.mp4")
    found = scan(tmp_path)
    assert faults(found) == {"1": "a file whose path is no valid UTF-8", "2": ""}
    assert list(found.files["source"]) == ["caf\ufffd/1.mp4", "ünïcode/2.mp4"] or list(
        found.files["source"]
    ) == ["ünïcode/2.mp4", "caf\ufffd/1.mp4"]


def test_missing_source(tmp_path):
    with pytest.raises(SourceError, match=f"The source folder {tmp_path}/x does not exist. Pass --source"):
        scan(tmp_path / "x")
    put(tmp_path / "file")
    with pytest.raises(SourceError, match="file is no folder"):
        scan(tmp_path / "file")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_unreadable_folder(tmp_path):
    (tmp_path / "a").mkdir(mode=0)
    with pytest.raises(SourceError, match="a cannot be read: Permission denied"):
        scan(tmp_path)


@pytest.fixture
def store():
    filesystem = fsspec.filesystem("memory")
    filesystem.pipe({"/bucket/k400/train/1.mp4": b"12", "/bucket/k400/._2.mp4": b"x"})
    filesystem.pipe({"/bucket/k400/.trash/3.mp4": b"12", "/bucket/k400/a.csv": b"x"})
    yield "memory://bucket/k400"
    filesystem.rm("/bucket", recursive=True)


def test_a_remote_source(store):
    found = scan(store)
    assert found.files[["source_dir", "source", "folder", "source_bytes"]].to_numpy().tolist() == [
        [store, "._2.mp4", "", 1],
        [store, "train/1.mp4", "train", 2],
    ]
    assert found.others == {".csv": 1}


def test_a_remote_source_through_the_file_system(tmp_path):
    put(tmp_path / "val/1.mp4", b"123")
    files = scan(f"file://{tmp_path}").files
    assert files[["source", "source_bytes"]].to_numpy().tolist() == [["val/1.mp4", 3]]


def test_remote_sources_that_are_not_there():
    with pytest.raises(SourceError, match=r"There is nothing under memory://nowhere. Check the address"):
        scan("memory://nowhere")
    with pytest.raises(SourceError, match=r"The source nonsense://x cannot be listed: .*nonsense"):
        scan("nonsense://x")
