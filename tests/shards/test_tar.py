"""A tar while it is being written."""

import hashlib
import io
import tarfile

from vidprep.shards.tar import Sample, ShardWriter


def sample(key, video):
    named = {"key": key, "split": "train", "video_id": key, "label": 0, "label_full": 0, "class_name": "yoga"}
    facts = {"num_frames": 1, "width": 16, "height": 16, "fps": 30.0, "duration_seconds": 1 / 30}
    return Sample(**named, **facts, video=video)


def test_what_was_written_is_in_the_file_at_once(tmp_path):
    """So that a build whose process is killed finds every video that it has noted."""
    path, video = tmp_path / "a.tar", b"a video smaller than any buffer"
    with ShardWriter(path) as writer:
        for key in ("train-1", "train-2"):
            writer.write(sample(key, video))
            offset = writer.rows[-1]["mp4_offset"]
            assert path.read_bytes()[offset : offset + len(video)] == video


def test_it_is_the_tar_that_the_standard_library_writes(tmp_path):
    """`ShardWriter` makes headers itself, as tarfile takes longer for them than a disk for the video."""
    samples = [sample("train-1", b"v" * 700), sample("v" * 90, bytes(512)), sample("train-__-", b"")]
    with ShardWriter(tmp_path / "a.tar") as writer:
        for one in samples:
            writer.write(one)
    expected = io.BytesIO()
    with tarfile.open(fileobj=expected, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for one in samples:
            for extension, data in one.members().items():
                info = tarfile.TarInfo(f"{one.key}.{extension}")
                info.size, info.mode, info.uname, info.gname = len(data), 0o444, "vidprep", "vidprep"
                tar.addfile(info, io.BytesIO(data))
    data = (tmp_path / "a.tar").read_bytes()
    assert data == expected.getvalue()
    assert (writer.size_bytes, writer.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert writer.md5 == hashlib.md5(data).hexdigest()
    for row, one in zip(writer.rows, samples, strict=True):
        for extension, member in one.members().items():
            assert data[row[f"{extension}_offset"] :][: row[f"{extension}_size"]] == member
