"""Builds from archives give the bytes of builds from folders, a damaged one costs only its damaged videos."""

import shutil
import tarfile

from tests.helpers.raw_videos.raw_k400 import Raw, run_build
from tests.helpers.sets.builds import build, outcomes


def archived(raw, folder):
    """The same raw videos as Kinetics' copy at CVDF holds them: flat tar.gz files below a folder a split."""
    shutil.copytree(raw.folder / "annotations", folder / "annotations")
    for split in ("train", "val"):
        videos = sorted((raw.folder / split).rglob("*.mp4"))
        (folder / split).mkdir()
        for number in range(2):
            with tarfile.open(folder / split / f"part_{number}.tar.gz", "w:gz") as tar:
                for path in videos[number::2]:
                    tar.add(path, arcname=path.name)
    return Raw(folder)


def tars(out):
    return {path.name: path.read_bytes() for path in sorted(out.glob("*/*.tar"))}


def test_the_same_shards_as_from_folders(dozen, reference, tmp_path):
    raw = archived(dozen, tmp_path / "raw")
    printed = build(raw, tmp_path / "out", "--workers", "2")
    assert printed.count("Listing train/part_") == 2
    assert tars(tmp_path / "out") == tars(reference)
    assert outcomes(tmp_path / "out") == outcomes(reference)
    again = build(raw, tmp_path / "out")  # the archives are not listed again
    assert "Listing" not in again
    assert not list((tmp_path / "raw").rglob("*.mp4"))


def test_a_cut_archive_is_named_and_the_rest_is_built(dozen, tmp_path):
    raw = archived(dozen, tmp_path / "raw")
    path = raw.folder / "train/part_0.tar.gz"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    done = run_build(raw, tmp_path / "out", "--sync")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Warning: {path}: it is cut off or damaged after" in done.stdout
    ended = [status for status, _ in outcomes(tmp_path / "out").values()]
    assert ended.count("used") >= 6
    assert ended.count("missing") + ended.count("rejected") >= 1


def test_an_archive_that_changed_during_the_build(dozen, tmp_path):
    raw = archived(dozen, tmp_path / "raw")
    build(raw, tmp_path / "out", "--sync")
    shutil.rmtree(tmp_path / "out/train")  # the videos of these shards are wanted again
    for path in raw.folder.rglob("*.tar.gz"):
        path.unlink()
    done = run_build(raw, tmp_path / "out", "--sync")
    assert done.returncode == 1
    assert "No Kinetics-400 videos of the recipe under" in done.stdout + done.stderr
