"""Other people's readers: every key once, the right label, the same bytes, the same pixels."""

import shutil
import zlib

import av
import numpy as np
import pytest

from tests.conformance.conftest import CLIP, IDS, needs, rows_of, run_recipe
from tests.helpers.paths import RELEASE_0_1
from vidprep.load import ShardDataset
from vidprep.load.decoding.frames import read_frames
from vidprep.shards import exports

READERS = {
    "webdataset": ("webdataset",),
    "wids": ("wids",),
    "datasets": ("datasets",),
    "ray": ("ray.data",),
    "spdl": ("spdl.io",),
    "energon": ("megatron.energon",),
    "dali": ("nvidia.dali",),
}


def prepare(reader, shards, tmp_path):
    """Run the exports that a reader needs; return the names that its recipe uses."""
    names = {"SHARDS": str(shards), "CACHE": str(tmp_path / "cache")}
    if reader == "energon":
        own = shutil.copytree(shards, tmp_path / "nasty")
        exports.export_energon(own)
        names["SHARDS"] = str(own)
    if reader == "ray":
        start_ray()
    if reader == "dali":
        exports.export_dali(shards, tmp_path / "indexes")
        names["INDEXES"] = str(tmp_path / "indexes")
    return names


def start_ray(tries=3):
    """Start Ray; its node gives up when its own parts are not there within 30 s, as on a busy machine."""
    import ray

    for left in reversed(range(tries)):
        try:
            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            return
        except Exception as error:  # of no class of its own
            ray.shutdown()
            if "timed out" not in str(error):
                raise
            if not left:
                pytest.skip(f"Ray's own node did not start in {tries} tries of half a minute; run it again")


@pytest.mark.parametrize("reader", READERS)
def test_every_sample_once(reader, shards, tmp_path):
    needs(*READERS[reader])
    found = run_recipe(f"read_{reader}", **prepare(reader, shards, tmp_path))
    samples = list(found["samples"])
    rows = rows_of(shards, "train")
    assert len(samples) == len(rows) == len(IDS)
    assert {key for key, *_ in samples} == rows.keys()
    for key, label, video in samples:
        assert int(label) == rows[key]["label"], key
        assert zlib.crc32(bytes(video)) == rows[key]["mp4_crc32"], key
    if "decode" in found:
        key, _, video = samples[0]
        assert_same_frames(decoded(found, bytes(video)), bytes(video), rows[key]["num_frames"])


def decoded(found, video):
    try:
        return found["decode"](video)
    except RuntimeError as error:
        if "libspdl" in str(error):
            pytest.skip("SPDL decodes with the system's FFmpeg libraries (4 to 9), and there are none here")
        raise


def assert_same_frames(frames, video, num_frames):
    """Another decoder's RGB is ours; conversions of colours round differently."""
    assert len(frames) == num_frames
    for number, frame in read_frames(video, range(num_frames), num_frames=num_frames):
        difference = frames[number].astype(int) - frame.to_ndarray(format="rgb24")
        assert np.abs(difference).max() <= 3


def test_datasets_knows_the_names_of_labels(tmp_path):
    needs("datasets")
    own = shutil.copytree(RELEASE_0_1 / "shards", tmp_path / "set")
    exports.export_huggingface(own)
    found = run_recipe("read_datasets", SHARDS=str(own), CACHE=str(tmp_path / "cache"))["dataset"]
    assert found.features["cls"].names == exports.class_names(own)
    assert len(found) == 15
    for sample in found.select_columns(["cls", "json"]):
        assert found.features["cls"].int2str(sample["cls"]) == sample["json"]["class"]


def test_a_clip_of_a_webdataset_sample_has_the_same_pixels(shards, tmp_path):
    needs("webdataset")
    import webdataset

    from vidprep.load import decode_clip

    urls = sorted(map(str, (shards / "train").glob("*.tar")))
    dataset = ShardDataset(shards, clip=CLIP, seed=3)
    for row, sample in enumerate(webdataset.WebDataset(urls, shardshuffle=False)):
        clip = decode_clip(sample, clip=CLIP, seed=3)
        assert clip["__key__"] == dataset[row]["__key__"]
        assert np.array_equal(clip["video"], dataset[row]["video"])


def test_lists_of_byte_ranges_open_with_ffmpeg(shards, tmp_path):
    lists = exports.export_csv(shards, tmp_path)
    lines = [line.split(" ") for path in lists for line in path.read_text().splitlines()]
    rows = [row for split in ("train", "validation") for row in rows_of(shards, split).values()]
    for (path, label), row in zip(lines, rows, strict=True):
        with av.open(path) as container:
            assert sum(1 for _ in container.decode(video=0)) == row["num_frames"]
        assert int(label) == row["label"]
