"""Videos in archives: found, listed once, copied out byte for byte; damage costs no more than it has to."""

import gzip
import io
import os
import random
import tarfile
import zipfile

import pytest

from tests.helpers.raw_videos.small_datasets import put
from vidprep.datasets.archives.extracting import ArchiveReader
from vidprep.datasets.archives.listing import ArchiveOptions, index_paths
from vidprep.datasets.scan import scan_sources
from vidprep.errors import SourceError

PARTS = "20bn-something-something-v2-"
VIDEOS = {f"{number}.mp4": random.Random(number).randbytes(40_000 + number) for number in range(12)}


def tar_of(videos, folder="videos/", pax=False):
    data = io.BytesIO()
    with tarfile.open(
        fileobj=data, mode="w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT
    ) as tar:
        for name, content in videos.items():
            entry = tarfile.TarInfo(folder + name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return data.getvalue()


def in_parts(folder, data, size):
    for number in range(-(-len(data) // size)):
        put(folder / f"{PARTS}{number:02d}", data[number * size : (number + 1) * size])


def write_zip(path, videos):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in videos.items():
            opened.writestr(name, content)


@pytest.fixture
def source(tmp_path):
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def options(tmp_path):
    listed = []
    return ArchiveOptions(tmp_path / "index", listed.append), listed


def scan(source, options):
    return scan_sources([str(source)], (".mp4", ".webm"), remedy="Pass --source DIR.", archives=options[0])


def extracted(found, options, tmp_path):
    reader = ArchiveReader(options[0].index_dir)
    contents = {}
    usable = found.files[found.files["fault"] == ""]
    for row in usable.sample(frac=1, random_state=0).itertuples():
        path = reader.extract(row.source_dir, row.source, tmp_path / "extracted")
        assert path.stat().st_size == row.source_bytes
        contents[row.video_id + ".mp4"] = path.read_bytes()
    reader.close()
    return contents


FORMS = {
    "tar": lambda folder: put(folder / "train/part_0.tar", tar_of(VIDEOS)),
    "tar.gz": lambda folder: put(folder / "train/part_0.tar.gz", gzip.compress(tar_of(VIDEOS, pax=True))),
    "tgz without a folder": lambda folder: put(folder / "train/a.tgz", gzip.compress(tar_of(VIDEOS, "./"))),
    "zip": lambda folder: write_zip(put(folder / "train/a.zip"), VIDEOS),
    "numbered parts": lambda folder: in_parts(folder / "train", gzip.compress(tar_of(VIDEOS)), 150_000),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_video_is_found_and_copied_out(form, source, options, tmp_path):
    FORMS[form](source)
    found = scan(source, options)
    assert found.problems == ()
    assert found.others == {}
    assert set(found.files["fault"]) == {""}
    assert extracted(found, options, tmp_path) == VIDEOS


def test_an_archive_is_listed_once_until_it_changes(source, options):
    path = put(source / "a.tar.gz", gzip.compress(tar_of(VIDEOS)))
    assert len(scan(source, options).files) == len(scan(source, options).files) == 12
    assert options[1] == ["a.tar.gz"]
    put(path, gzip.compress(tar_of({"1.mp4": b"new"})))
    os.utime(path, ns=(1, 1))
    assert scan(source, options).files["source_bytes"].tolist() == [3]
    assert options[1] == ["a.tar.gz"] * 2


@pytest.mark.parametrize("damage", [b"", b"{", b'{"identity": 5}'])
def test_a_damaged_index_is_made_anew(damage, source, options, tmp_path):
    put(source / "a.tar.gz", gzip.compress(tar_of(VIDEOS)))
    scan(source, options)
    listing, gzip_index = index_paths(str(source), "a.tar.gz", options[0].index_dir)
    assert gzip_index.is_file()
    listing.write_bytes(damage)
    assert extracted(scan(source, options), options, tmp_path) == VIDEOS


def test_the_folders_around_and_inside_tell_the_split_and_class(source, options):
    put(source / "train/part_0.tar.gz", gzip.compress(tar_of({"1.mp4": b"1"}, folder="abseiling/")))
    row = scan(source, options).files.iloc[0]
    assert row["source"] == "train/part_0.tar.gz!/abseiling/1.mp4"
    assert row["folder"] == "train/part_0.tar.gz!/abseiling"


@pytest.mark.parametrize("form", ["tar", "tar.gz"])
def test_a_cut_archive_is_named_and_its_other_videos_are_used(form, source, options, tmp_path):
    path = FORMS[form](source)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 45 // 100])
    found = scan(source, options)
    (problem,) = found.problems
    assert problem.startswith(f"{source}/train/part_0.{form}: it is cut off or damaged after 5 files")
    assert found.files["fault"].tolist().count("its archive ends before it does") == 1
    good = extracted(found, options, tmp_path)
    assert len(good) == 5
    assert all(VIDEOS[name] == content for name, content in good.items())


def test_a_missing_part_is_named(source, options, tmp_path):
    FORMS["numbered parts"](source)
    (source / f"train/{PARTS}02").unlink()
    found = scan(source, options)
    assert any(problem.endswith(f"its part train/{PARTS}02 is missing") for problem in found.problems)
    good = extracted(found, options, tmp_path)
    assert 5 <= len(good) <= 8
    assert all(VIDEOS[name] == content for name, content in good.items())
    assert found.others == {"suffixless": 1}  # the part behind the gap


def test_without_its_first_part_nothing_can_be_read(source, options):
    FORMS["numbered parts"](source)
    (source / f"train/{PARTS}00").unlink()
    found = scan(source, options)
    assert found.files.empty
    assert found.problems == (f"{source}/train/{PARTS}01: its part train/{PARTS}00 is missing",)


def test_a_wrong_checksum_is_named_and_every_video_is_listed(source, options):
    large = {name: content * 25 for name, content in VIDEOS.items()}
    data = bytearray(gzip.compress(tar_of(large), compresslevel=0))
    data[len(data) // 2] ^= 0x40  # in a stored block, so that only the checksum tells
    put(source / "a.tar.gz", bytes(data))
    found = scan(source, options)
    assert len(found.files) == 12
    (problem,) = found.problems
    assert "its checksum is wrong, so that some of its videos may be damaged" in problem


def test_a_cut_zip_is_named(source, options):
    path = put(source / "a.zip")
    write_zip(path, VIDEOS)
    path.write_bytes(path.read_bytes()[:-100])
    found = scan(source, options)
    assert found.files.empty
    assert "a.zip: it is cut off or damaged" in found.problems[0]


def test_what_only_looks_like_an_archive_is_another_file(source, options):
    put(source / "a.tar.gz", b"not at all")
    put(source / "notes-00", b"text")
    found = scan(source, options)
    assert (found.others, found.problems) == ({".gz": 1, "suffixless": 1}, ())


def test_an_archive_that_changed_since_it_was_listed(source, options, tmp_path):
    path = put(source / "a.tar", tar_of(VIDEOS))
    found = scan(source, options)
    put(path, tar_of({"0.mp4": b"other"}))
    with pytest.raises(SourceError, match=r"a\.tar is not the archive that was there"):
        extracted(found, options, tmp_path)


def test_a_huge_index_of_small_videos_stays_small(source, options):
    path = put(source / "a.tar.gz", gzip.compress(tar_of(VIDEOS)))
    scan(source, options)
    size = sum(one.stat().st_size for one in options[0].index_dir.iterdir())
    assert size < 0.02 * path.stat().st_size
