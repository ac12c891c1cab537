"""Damage of every kind is noticed, named, and never papered over; copies of shards are checked."""

import multiprocessing
import shutil
import tarfile

import fsspec
import pytest

from tests.helpers.sets.numbered import encode, sample, write_manifest, write_shard_set
from vidprep.errors import DecodeError, ShardError
from vidprep.load import ClipLoader, LoaderOptions, ShardDataset, ViewLoader
from vidprep.load.cache import CachedReader, is_fetching
from vidprep.recipes.recipe import EvalViews, TrainClip
from vidprep.shards.manifest import read_manifest
from vidprep.shards.shard_set import ShardSet
from vidprep.shards.stored_video import LocalReader

CLIP = TrainClip(clip_len=4)
VIEWS = EvalViews(clip_len=4, num_clips=1, num_crops=1)


def train(shards, num_workers=0, **changes):
    options = LoaderOptions(num_workers=num_workers)
    loader = ClipLoader(shards, "train", clip=CLIP, batch_size=2, options=options, **changes)
    return [batch.clone() for batch in loader]


def evaluate(shards, num_workers=0):
    options = LoaderOptions(num_workers=num_workers)
    return list(ViewLoader(shards, "validation", views=VIEWS, options=options))


LOADERS = [(train, "train"), (evaluate, "validation")]
SHARD = {
    "train": "train/numbered-train-000001.tar",
    "validation": "validation/numbered-validation-000000.tar",
}


def flip_byte(shards, split):
    """One bit of the fourth video of a shard."""
    video = ShardSet.open(shards).split(split).video(9 if split == "train" else 3)
    with (shards / video.shard).open("r+b") as file:
        file.seek(video.offset + video.size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    return video


@pytest.mark.parametrize(("load", "split"), LOADERS, ids=["training", "evaluation"])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_flipped_bit(own_shards, load, split, num_workers):
    video = flip_byte(own_shards, split)
    with pytest.raises(
        ShardError, match=rf"{video.shard}: {video.key} has crc32 [0-9a-f]{{8}}, the index says"
    ):
        load(own_shards, num_workers)


@pytest.mark.parametrize(("load", "split"), LOADERS, ids=["training", "evaluation"])
def test_a_shard_cut_between_two_members(own_shards, load, split):
    path = own_shards / SHARD[split]
    with tarfile.open(path) as tar:
        cut = tar.getmembers()[-3].offset
    with path.open("r+b") as file:
        file.truncate(cut)
    with pytest.raises(
        ShardError, match=rf"{SHARD[split]} has {cut} bytes, the manifest says \d+; its first sample is"
    ):
        load(own_shards)


@pytest.mark.parametrize(("load", "split"), LOADERS, ids=["training", "evaluation"])
def test_a_shard_cut_while_it_is_used(own_shards, load, split):
    """Without the look at the start, as behind a URL, the reader notices."""
    path = own_shards / SHARD[split]
    with tarfile.open(path) as tar:
        cut = tar.getmembers()[-3].offset
    path.write_bytes(path.read_bytes()[:cut])
    (own_shards / "manifest.json").unlink()
    with pytest.raises(ShardError, match=rf"{SHARD[split]}: 0 of the \d+ bytes of {split}-v\d+ are there"):
        load(own_shards)


@pytest.mark.parametrize(("load", "split"), LOADERS, ids=["training", "evaluation"])
def test_a_missing_shard(own_shards, load, split):
    (own_shards / SHARD[split]).unlink()
    with pytest.raises(ShardError, match=rf"{SHARD[split]} is missing; its first sample is {split}-v\d+"):
        load(own_shards)
    (own_shards / "manifest.json").unlink()
    with pytest.raises(ShardError, match=rf"{SHARD[split]}: missing; it holds the video of {split}-v\d+"):
        load(own_shards)


def test_a_stale_index(own_shards, samples, tmp_path):
    other = write_shard_set(tmp_path / "other", samples[1:], per_shard=6)
    shutil.copy(other / "index.parquet", own_shards)
    with pytest.raises(
        ShardError, match=r"index.parquet is not the one of manifest.json: it is stale or damaged"
    ):
        train(own_shards)
    write_manifest(own_shards, read_manifest(own_shards).shards)
    with pytest.raises(ShardError, match=r"index.parquet has 25 samples of train, the manifest says 26"):
        train(own_shards)


def test_a_stale_index_of_as_many_samples(own_shards, samples, tmp_path):
    other = write_shard_set(tmp_path / "other", [*samples[1:], samples[0]], per_shard=6)
    shutil.copy(other / "index.parquet", own_shards)
    write_manifest(own_shards, read_manifest(own_shards).shards)
    with pytest.raises(ShardError, match=r"train-v\d+ has crc32|ends at byte|bytes of train-v\d+ are"):
        train(own_shards)


def test_no_shard_set(tmp_path):
    with pytest.raises(ShardError, match=r"No shard set at \S+: manifest.json is missing, which"):
        train(tmp_path)


@pytest.fixture
def with_bad_video(tmp_path):
    """8 good videos and 2 that were stored as something else, with the right checksums."""
    good = encode(20, path=tmp_path)
    samples = [
        sample("train", f"v{i}", 0, b"no video at all" if i in (3, 6) else good, 20, 340, 256)
        for i in range(10)
    ]
    return write_shard_set(tmp_path / "bad", samples, per_shard=5)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_video_that_does_not_decode_ends_training(with_bad_video, num_workers):
    message = r"train/\S+: train-v[36] does not decode: .*Invalid data.* 1 videos did not decode"
    with pytest.raises(DecodeError, match=message + ", max_decode_errors is 0"):
        train(with_bad_video, num_workers)


def test_decode_errors_are_counted_and_nothing_is_substituted(with_bad_video, caplog):
    batches = train(with_bad_video, max_decode_errors=2)
    keys = sorted(key for batch in batches for key in batch.key)
    assert keys == [f"train-v{i}" for i in range(10) if i not in (3, 6)]
    assert sorted(len(batch) for batch in batches) in ([1, 1, 2, 2, 2], [0, 2, 2, 2, 2])
    assert sum("It is missing from its batch" in record.message for record in caplog.records) == 2
    with pytest.raises(DecodeError, match="2 videos did not decode, max_decode_errors is 1"):
        train(with_bad_video, max_decode_errors=1)


def test_evaluation_allows_no_decode_error(with_bad_video):
    with pytest.raises(DecodeError, match=r"train-v3 does not decode: .* An evaluation must see every video"):
        list(ViewLoader(with_bad_video, "train", views=VIEWS, options=LoaderOptions(num_workers=0)))


def test_single_samples_name_their_key(with_bad_video):
    dataset = ShardDataset(with_bad_video, "train", clip=CLIP)
    assert dataset[-1]["video"].shape == (4, 224, 224, 3)
    with pytest.raises(DecodeError, match="train-v3 does not decode"):
        dataset[3]
    with pytest.raises(IndexError):
        dataset[10]


@pytest.fixture
def in_memory(shards):
    """The shard set behind a URL of fsspec's own."""
    filesystem = fsspec.filesystem("memory")
    filesystem.put(str(shards), "/numbered", recursive=True)
    yield "memory://numbered"
    filesystem.rm("/numbered", recursive=True)


def test_any_fsspec_url(shards, in_memory):
    for local, remote in zip(train(shards), train(in_memory), strict=True):
        assert local.key == remote.key
        assert (local.video == remote.video).all()


def test_the_cache_holds_what_fits(shards, tmp_path):
    entries = read_manifest(shards).shards
    largest = max(entry.size_bytes for entry in entries)
    limit = 2 * largest
    reader = CachedReader(LocalReader(str(shards)), tmp_path / "cache", max_bytes=limit, shards=entries)
    for entry in (*entries, *entries):
        whole = (shards / entry.name).read_bytes()
        assert reader.read(entry.name, 100, 5000) == whole[100:5100]
        copies = sorted((tmp_path / "cache").glob("*.tar"))
        assert 1 <= len(copies) <= 3
        assert sum(copy.stat().st_size for copy in copies) <= limit
    assert not list((tmp_path / "cache").glob("*.part"))


def test_it_is_known_while_a_shard_is_fetched(shards, tmp_path):
    entries, seen = read_manifest(shards).shards, []

    class Watched(LocalReader):
        def read(self, shard, offset, size):
            seen.append(is_fetching(tmp_path / "cache"))
            return super().read(shard, offset, size)

    reader = CachedReader(Watched(str(shards)), tmp_path / "cache", max_bytes=2**30, shards=entries)
    assert not is_fetching(tmp_path / "cache")
    reader.read(entries[0].name, 0, 10)
    assert seen == [True] and not is_fetching(tmp_path / "cache")


def test_a_damaged_download_is_not_cached(own_shards, tmp_path):
    video = flip_byte(own_shards, "train")
    entries = read_manifest(own_shards).shards
    reader = CachedReader(LocalReader(str(own_shards)), tmp_path / "cache", max_bytes=2**30, shards=entries)
    with pytest.raises(
        ShardError, match=rf"{video.shard}: what was fetched has sha256 \w+…, the manifest says"
    ):
        reader.read(video.shard, 0, 10)
    assert not list((tmp_path / "cache").glob("*.[tp]a*"))


def test_a_cache_too_small_is_refused(shards, tmp_path):
    entries = read_manifest(shards).shards
    with pytest.raises(ValueError, match=r"cache_bytes must hold the largest shard, \d+ bytes; got 1000"):
        CachedReader(LocalReader(str(shards)), tmp_path, max_bytes=1000, shards=entries)


def _read_everything(shards, cache_dir, limit):
    entries = read_manifest(shards).shards
    reader = CachedReader(LocalReader(str(shards)), cache_dir, max_bytes=limit, shards=entries)
    for _ in range(3):
        for entry in entries:
            assert reader.read(entry.name, 0, 2**30) == (shards / entry.name).read_bytes()


def test_processes_share_a_cache_that_is_too_small_for_them(shards, tmp_path):
    """Four processes push each other's shards out all the time; each still reads the right bytes."""
    limit = 3 * max(entry.size_bytes for entry in read_manifest(shards).shards)
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=_read_everything, args=(shards, tmp_path / "cache", limit)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0] * 4


def test_startup_reads_the_index_only(tmp_path, samples):
    """Nothing but manifest and index is opened."""
    root = write_shard_set(tmp_path / "set", samples, per_shard=6)
    shutil.rmtree(root / "train")
    shard_set = ShardSet.open(root)
    assert len(shard_set.split("train")) == 26
    assert shard_set.split("train").shard_sizes == [6, 6, 6, 6, 2]
    assert shard_set.classes == {f"class {i}": i for i in range(4)}
