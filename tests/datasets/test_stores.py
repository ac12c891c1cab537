"""Stores that keep listings, and whose errors are none of Python's."""

from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from tests.datasets.archives.test_archives import tar_of
from vidprep.datasets.archives.extracting import ArchiveReader
from vidprep.datasets.archives.listing import ArchiveOptions
from vidprep.datasets.scan import scan_sources
from vidprep.errors import SourceError


class MoodyStore(MemoryFileSystem):
    """A store in memory that answers with listings of before until it is told to forget them."""

    protocol = "moody"
    store: ClassVar[dict] = {}
    pseudo_dirs: ClassVar[list] = [""]
    listings: ClassVar[dict] = {}
    fails_at = ""  # "listing" or "reading"

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("moody://", "memory://"))

    find = AbstractFileSystem.find  # by `ls`, folder by folder

    def ls(self, path, detail=True, **options):
        self.fail_at("listing")
        if path not in self.listings:
            self.listings[path] = super().ls(path, detail=True, **options)
        found = self.listings[path]
        return found if detail else [one["name"] for one in found]

    def invalidate_cache(self, path=None):
        self.listings.clear()

    def _open(self, path, *arguments, **options):
        file = super()._open(path, *arguments, **options)
        file.read = lambda *_: self.fail_at("reading") or type(file).read(file, *_)
        return file

    @classmethod
    def fail_at(cls, what):
        if cls.fails_at == what:
            raise ThrottledError("slow down")


class ThrottledError(RuntimeError):
    """What a store's own client raises: no OSError."""


@pytest.fixture
def store():
    fsspec.register_implementation("moody", MoodyStore, clobber=True)
    for memory in (MoodyStore.store, MoodyStore.listings):
        memory.clear()
    yield fsspec.filesystem("moody")
    MoodyStore.fails_at = ""


def scan(options):
    return scan_sources(["moody://raw"], (".mp4",), remedy="", archives=options)


@pytest.fixture
def options(tmp_path):
    return ArchiveOptions(tmp_path / "indexes")


def test_a_listing_of_before_is_not_believed(store, options):
    store.pipe("/raw/train/one.mp4", b"1")
    assert scan(options).files["video_id"].tolist() == ["one"]
    store.pipe("/raw/train/two.mp4", b"2")
    assert [Path(one["name"]).name for one in store.ls("/raw/train")] == ["one.mp4"], (
        "the store keeps listings"
    )
    assert scan(options).files["video_id"].tolist() == ["one", "two"]


def test_a_store_that_cannot_be_listed_is_named_whatever_it_raises(store, options):
    store.pipe("/raw/train/one.mp4", b"1")
    MoodyStore.fails_at = "listing"
    with pytest.raises(SourceError, match=r"moody://raw cannot be listed: .*ThrottledError: slow down"):
        scan(options)


def test_a_failing_store_is_no_damage_of_an_archive(store, options, tmp_path):
    """A video that is rejected stays so; one whose store fails is fetched when the build goes on."""
    store.pipe("/raw/videos.tar", tar_of({"1.mp4": b"one" * 100, "2.mp4": b"two" * 100}))
    sources = scan(options).files["source"].tolist()
    assert len(sources) == 2
    MoodyStore.fails_at = "reading"
    reader = ArchiveReader(options.index_dir)
    with pytest.raises(OSError, match="ThrottledError: slow down"):
        reader.extract("moody://raw", sources[0], tmp_path / "video")
    reader.close()
    store.pipe("/raw/others.tar", tar_of({"3.mp4": b"three"}))
    with pytest.raises(SourceError, match=r"others\.tar cannot be read: .*ThrottledError: slow down"):
        scan(options)


def test_an_archive_of_the_same_size_is_listed_anew(store, options):
    store.pipe("/raw/videos.tar", tar_of({"1.mp4": b"one"}))
    assert scan(options).files["video_id"].tolist() == ["1"]
    store.pipe("/raw/videos.tar", tar_of({"2.mp4": b"two"}))
    assert scan(options).files["video_id"].tolist() == ["2"]
