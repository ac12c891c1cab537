"""A scratch disk that fills up while a build for a store works on it."""

import contextlib

import pytest

import vidprep
from tests.helpers.raw_videos.raw_k400 import SMALL
from tests.helpers.stores.bucket import WARNINGS
from tests.helpers.stores.store_builds import URL, files, kept, objects
from vidprep.errors import BuildError

pytestmark = WARNINGS


def fill(path):
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass


@pytest.mark.slow
def test_what_is_said_and_that_the_next_build_goes_on(dozen, reference, bucket, small_disk, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(small_disk))
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    ballast = small_disk / "ballast"
    options = {"sources": [dozen.folder], "overrides": SMALL[1::2], "in_process": True}

    def fill_after_a_shard(event):
        if event["event"] == "done":
            fill(ballast)

    with pytest.raises(BuildError, match=r"No room left on the disk") as error:
        vidprep.build("mini_k400", URL, on_event=fill_after_a_shard, **options)
    assert f"MiB free in {small_disk})" in str(error.value)
    assert f"free in {URL}" not in str(error.value)
    assert sum(name.startswith("done/") for name in kept(bucket)) == 1
    assert "manifest.json" not in objects(bucket)
    ballast.unlink()
    vidprep.build("mini_k400", URL, **options)
    assert objects(bucket) == files(reference)
    assert not list(small_disk.rglob("*.tar"))
