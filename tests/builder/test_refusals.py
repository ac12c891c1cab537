"""What a build refuses, and what it says: other plans, other FFmpegs, other builds, full disks."""

import re
import shutil

import pyarrow.parquet as pq
import pytest

from tests.helpers.programs.processes import kill_family
from tests.helpers.raw_videos.raw_k400 import run_build
from tests.helpers.sets.builds import build, hashes, problems, start_build, videos_seen, wait_until
from vidprep.builder.progress.status import read_status
from vidprep.builder.shard import build_shard
from vidprep.builder.shard_task import ShardTask
from vidprep.errors import SourceError, ToolError
from vidprep.ffmpeg import ffmpeg_version, find_ffmpeg
from vidprep.recipes.recipe import Transcode


def refused(raw, out, *options):
    done = run_build(raw, out, *options)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    return done.stderr


def test_another_plan_is_refused_and_told_apart(dozen, reference):
    assert 'transcode was {"mode":"encode","short_side":48' in refused(
        dozen, reference, "--sync", "--set", "transcode.crf=30"
    )
    assert "limit was None and is 1" in refused(dozen, reference, "--sync", "--limit", 1)
    assert problems(reference) == []


def test_new_videos_are_another_plan(raw, tmp_path):
    raw.add("one")
    raw.add("two", write=False)
    build(raw, tmp_path / "set", "--sync")
    raw.add("three")
    error = refused(raw, tmp_path / "set", "--sync")
    assert "was built from another annotation: new in it: 1, e.g. three_" in error


def test_another_ffmpeg_is_refused(dozen, reference, tmp_path):
    other = tmp_path / "ffmpeg"
    other.write_text(
        "#!/bin/sh\ncase $* in *-encoders*) echo ' V libx264';; *) echo ffmpeg version 4.1;; esac\n"
    )
    other.chmod(0o755)
    error = refused(dozen, reference, "--sync", "--ffmpeg", other)
    assert re.search(r"FFmpeg version was \S+ and is 4\.1", error)


def test_an_ffmpeg_without_the_encoder(dozen, tmp_path):
    other = tmp_path / "ffmpeg"
    other.write_text("#!/bin/sh\necho ffmpeg version 4.1\n")
    other.chmod(0o755)
    error = refused(dozen, tmp_path / "set", "--sync", "--ffmpeg", other)
    assert "was built without the encoder 'libx264'" in error


def test_an_encoder_that_does_not_work_here(dozen, tmp_path):
    """No video is to blame for a GPU that is not there."""
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine may have a working NVENC")
    nvenc = ("transcode.encoder=h264_nvenc", "transcode.preset=p4", "transcode.tune=none")
    error = refused(dozen, tmp_path / "set", "--sync", *(word for key in nvenc for word in ("--set", key)))
    assert "cannot do what [transcode] of the recipe asks for" in error
    build(dozen, tmp_path / "set", "--sync")  # nothing was built by the other plan, so it is no obstacle


def test_a_worker_with_another_ffmpeg(dozen, reference):
    task = ShardTask(reference, 0, Transcode(), None, "4.1")
    with pytest.raises(ToolError, match=r"the build was planned with 4\.1. Install the same imageio-ffmpeg"):
        build_shard(task, lambda event: None)


def test_two_builds_at_once(dozen, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    # It does not end before the second one has begun, however long that takes on a busy machine.
    first = start_build(dozen, out, "--sync", "--ffmpeg", misbehaving_ffmpeg("held_out", "sleep 500"))
    wait_until(lambda: videos_seen(out) > 0)
    assert f"Another build is working in {out} (process {first.pid} on " in refused(dozen, out, "--sync")
    state = read_status(out)
    assert (state.state, state.num_videos_done > 0, state.eta_seconds is not None) == ("running", True, True)
    kill_family(first)


def test_a_folder_with_other_things(dozen, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("")
    assert "is not empty and holds no build of vidprep (it has 'thesis.tex')" in refused(
        dozen, tmp_path / "set"
    )
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["thesis.tex"]


def test_an_output_that_cannot_be_written(dozen, tmp_path):
    (tmp_path / "file").write_text("")
    assert "Cannot write into" in refused(dozen, tmp_path / "file" / "set", "--sync")


def test_a_scheduler_that_does_not_answer(dozen, tmp_path):
    error = refused(dozen, tmp_path / "set", "--scheduler", "tcp://127.0.0.1:1")
    assert "No Dask scheduler answers at tcp://127.0.0.1:1" in error


def test_a_source_that_changes_under_the_build(raw, tmp_path):
    raw.add("one")
    path = raw.add("two")
    build(raw, tmp_path / "set", "--sync")
    plan = tmp_path / "set" / ".build" / "plan.parquet"
    assert pq.read_metadata(plan).num_row_groups == 2
    shutil.rmtree(tmp_path / "set" / ".build" / "done")
    path.write_bytes(path.read_bytes() + b"x")
    task = ShardTask(tmp_path / "set", 0, Transcode(), None, ffmpeg_version(find_ffmpeg()))
    with pytest.raises(
        SourceError, match=r"train-two_000000_000010: .* bytes, .* when the build was planned"
    ):
        build_shard(task, lambda event: None)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read now: No such file or directory"):
        build_shard(task, lambda event: None)


def test_a_full_disk_stops_the_build_and_room_completes_it(dozen, reference, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(900 * 1024))
    error = refused(dozen, small_disk / "set", "--workers", "2")
    assert "No room left on the disk" in error
    assert "finished shards are kept" in error
    assert not (small_disk / "set" / "manifest.json").exists()
    ballast.unlink()
    build(dozen, small_disk / "set", "--workers", "2")
    assert hashes(small_disk / "set") == hashes(reference)
