"""Third-party tars: any codec, any layout of members, indexed once, then loaded like vidprep's own."""

import io
import tarfile

import pytest
import typer
from typer.testing import CliRunner

from tests.helpers.sets.numbered import encode, read_number
from vidprep.cli.loader import bench_loader, index
from vidprep.errors import ShardError
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.recipes.recipe import TrainClip
from vidprep.shards.third_party.tars import find_tars, index_tar

app = typer.Typer()
app.command()(index)
app.command("bench-loader")(bench_loader)

OTHERS = [
    ("-c:v libx264 -g 12 -bf 3 -x264-params open-gop=1:b-adapt=0", "mp4"),
    ("-c:v libx264 -g 250", "mkv"),
    ("-c:v libvpx-vp9 -crf 20 -b:v 0 -deadline realtime -cpu-used 8", "webm"),
    ("-c:v mpeg4 -q:v 2 -bf 2", "avi"),
]


@pytest.fixture(scope="module")
def third_party(tmp_path_factory):
    """Two tars with the same keys: 4 codecs, then a bad video, a text without a video, and labels in JSON."""
    root = tmp_path_factory.mktemp("third_party")
    (root / "train").mkdir()
    videos = [
        encode(40, i, options=options, suffix=suffix, path=root) for i, (options, suffix) in enumerate(OTHERS)
    ]
    add = {
        f"{i:03d}.{suffix}": video for i, (video, (_, suffix)) in enumerate(zip(videos, OTHERS, strict=True))
    }
    write_tar(root / "train/a.tar", add | {f"{i:03d}.cls": str(i).encode() for i in range(4)})
    members = {
        "000.mp4": videos[0],
        "000.json": b'{"label": 7}',
        "001.mp4": b"nonsense",
        "002.txt": b"no video",
    }
    write_tar(root / "train/b.tar", members)
    return root


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, data in sorted(members.items()):
            info = tarfile.TarInfo(f"some/folder/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_index_then_load(third_party):
    done = CliRunner().invoke(app, ["index", str(third_party), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "5 videos in 2 tars (train 5); 2 left out, 0 without a label" in done.output
    assert "left out: some/folder/001: " in done.output
    assert "left out: some/folder/002: no video member" in done.output
    loader = ClipLoader(
        third_party,
        "train",
        clip=TrainClip(clip_len=8, frame_step=3),
        batch_size=5,
        options=LoaderOptions(num_workers=0),
    )
    (batch,) = (batch.clone() for batch in loader)
    assert sorted(zip(batch.key, batch.label.tolist(), strict=True)) == [
        *((f"train/a/some/folder/00{i}", i) for i in range(4)),
        ("train/b/some/folder/000", 7),
    ]
    for i in range(5):
        top = int(batch.box[i, 0]) // 2 * 2
        numbers = [read_number(frame[:224, :224].numpy(), top) for frame in batch.video[i]]
        assert numbers == batch.frame_indices[i].tolist()


def test_safe_flips_need_a_manifest(third_party):
    CliRunner().invoke(app, ["index", str(third_party), "--workers", "1"])
    with pytest.raises(ShardError, match='it is not known which classes mirror each other: flip = "safe"'):
        ClipLoader(third_party, "train", clip=TrainClip(flip="safe"), batch_size=1)


def test_no_tars(tmp_path):
    with pytest.raises(ShardError, match="No tars below"):
        find_tars(tmp_path)


def test_compressed_tar(tmp_path):
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w:gz"):
        pass
    with pytest.raises(ShardError, match="no plain, uncompressed tar"):
        index_tar(path, tmp_path)


def test_our_own_index_is_left_alone(shards):
    done = CliRunner().invoke(app, ["index", str(shards)])
    assert "is a shard set that vidprep made" in str(done.exception)


def test_bench_loader_reports(shards):
    options = ["--seconds", "1", "--workers", "1", "--batch-size", "4", "--gpu-clips-per-second", "60"]
    done = CliRunner().invoke(app, ["bench-loader", str(shards), *options])
    assert done.exit_code == 0, done.output
    for words in (
        "26 videos over and over, batches of 4 yuv420 clips",
        "clips/s a worker with 1 workers",
        "worker time: read",
        "is the bottleneck",
        "H100s that this feeds, if a training reaches 30% of 989 TFLOPS",
        "of I3D-ResNet-50: ",
        "of I3D-ResNet-18, a quarter as wide: ",
        "One GPU that trains on 60 clips/s needs",
    ):
        assert words in done.output
