"""`vidprep audit --checksums`: videos are read and compared without a build."""

import hashlib
import json
import os
import tarfile

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.raw_videos.raw_k400 import Raw
from vidprep.cli.main import app
from vidprep.errors import SourceError


def listed(raw, path, *, algorithm="sha256"):
    lines = [
        f"{hashlib.new(algorithm, video.read_bytes()).hexdigest()}  {video.name}"
        for video in sorted(raw.folder.glob("train/*/*.mp4"))
    ]
    path.write_text("\n".join(lines))
    return path


def video(raw, number):
    return raw.folder / f"train/yoga/video{number}_000000_000010.mp4"


def change(path):
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)


def audit(raw, *options):
    return CliRunner().invoke(app, ["audit", "mini_k400", "--source", str(raw.folder), *map(str, options)])


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_videos_that_are_as_listed(raw, tmp_path, algorithm):
    said = audit(raw, "--checksums", listed(raw, tmp_path / "sums", algorithm=algorithm))
    assert said.exit_code == 0, said.output
    assert "checksums: 3 videos compared, all as the lists say" in said.output
    assert "comparing checksums: 3 / 3 videos" in said.output


def test_one_changed_bit_is_named_and_the_exit_code_is_1(raw, tmp_path):
    sums = listed(raw, tmp_path / "sums")
    change(video(raw, 1))
    said = audit(raw, "--checksums", sums)
    assert said.exit_code == 1
    found = hashlib.sha256(video(raw, 1).read_bytes()).hexdigest()
    assert f"wrong checksum: {video(raw, 1)}: sha256 is {found}, the list says " in said.output
    assert "checksums: 3 videos compared, 1 differ" in said.output
    said = audit(raw, "--checksums", sums, "--json")
    assert said.exit_code == 1
    mismatches = json.loads(said.stdout)["checksums"]["mismatches"]
    assert [mismatch["source"] for mismatch in mismatches] == [str(video(raw, 1))]


def test_the_same_from_python_and_what_no_list_names(raw, tmp_path):
    sums = listed(raw, tmp_path / "sums")
    raw.add("video3")
    seen = []
    checked = vidprep.audit(
        "mini_k400",
        sources=[raw.folder],
        checksums=[sums],
        on_checked=lambda done, total: seen.append((done, total)),
    ).checksums
    assert (checked.num_checked, checked.mismatches, checked.unlisted.num_videos) == (3, (), 1)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    said = audit(raw, "--checksums", sums)
    assert "1 are in no list, unchecked, e.g. train/yoga/video3_" in said.output


def test_a_video_that_cannot_be_read_is_named(raw, tmp_path, monkeypatch):
    sums = listed(raw, tmp_path / "sums")
    found = vidprep.audit("mini_k400", sources=[raw.folder])
    assert found.checksums is None
    # Between the look at the folders and the reading: it becomes a FIFO, which nobody must wait for.
    from vidprep.datasets.archives.listing import ArchiveOptions
    from vidprep.datasets.checksums.check import check_checksums

    video(raw, 0).unlink()
    os.mkfifo(video(raw, 0))
    video(raw, 2).unlink()
    checked = check_checksums(found.inventory, [sums], archives=ArchiveOptions())
    assert {str(mismatch) for mismatch in checked.mismatches} == {
        f"{video(raw, 0)}: cannot be read: it is not a regular file",
        f"{video(raw, 2)}: cannot be read: No such file or directory",
    }


def test_videos_in_an_archive_are_compared_too(raw, tmp_path):
    sums = listed(raw, tmp_path / "sums")
    change(video(raw, 1))
    packed = Raw(tmp_path / "packed")
    packed.csv.parent.mkdir(parents=True)
    packed.csv.write_bytes(raw.csv.read_bytes())
    with tarfile.open(packed.folder / "part.tar", "w") as tar:
        tar.add(raw.folder / "train", "train")
    said = audit(packed, "--checksums", sums)
    assert said.exit_code == 1, said.output
    assert "part.tar!/train/yoga/video1_000000_000010.mp4: sha256 is " in said.output
    assert "3 videos compared, 1 differ" in said.output


def test_a_list_that_is_none_is_said(raw, tmp_path):
    (tmp_path / "sums").write_text("nonsense")
    with pytest.raises(SourceError, match=r"sums line 1: 'nonsense' is no checksum"):
        vidprep.audit("mini_k400", sources=[raw.folder], checksums=[tmp_path / "sums"])
