"""A job array: tasks fill their shares beside each other, the last one makes the set of one build."""

import signal

import pytest

import vidprep
from tests.helpers.programs.processes import kill_family
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.raw_k400 import SMALL, run_build
from tests.helpers.sets.builds import SLOW, build, hashes, problems, start_build, wait_until
from vidprep.builder.job_array.share import Share
from vidprep.builder.progress.status import read_status
from vidprep.builder.workspace.shares import share_dir
from vidprep.errors import BuildError


def task(raw, out, share, *options):
    done = run_build(raw, out, "--array", share, "--sync", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def start_stuck_task(raw, out, misbehaving_ffmpeg):
    """Start task 2 of 2, which does not get beyond its first validation video."""
    stuck = misbehaving_ffmpeg("held_out", "sleep 500")
    return start_build(raw, out, "--sync", "--array", "2/2", "--ffmpeg", stuck)


def seen(out, number, total):
    """Count the videos that a task has in hand or has finished."""
    log = share_dir(out, number, total) / ".build" / "log.jsonl"
    return log.read_text().count('"event": "video"') if log.exists() else 0


@pytest.mark.parametrize("total", [1, 3, 7])
def test_shares_hold_every_shard_once(total):
    shares = [Share(number, total).shards(20) for number in range(1, total + 1)]
    assert sorted(shard for share in shares for shard in share) == list(range(20))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("text", ["3", "0/4", "5/4", "a/b", "1/", "-1/2", "1/2/3"])
def test_what_is_no_share_is_refused(dozen, tmp_path, text):
    with pytest.raises(ValueError, match=rf"array must be I/N, .* got '{text}'"):
        Share.parse(text)
    assert f"got '{text}'" in run_build(dozen, tmp_path / "set", "--array", text, "--sync").stderr
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--array", "1/2", "--finalise"], "array and finalise exclude each other"),
        (["--array", "1/2", "--extend"], "array and extend exclude each other"),
        (["--finalise", "--scheduler", "tcp://node:1"], "finalise and scheduler exclude each other"),
    ],
)
def test_options_that_exclude_each_other(dozen, tmp_path, options, message):
    assert message in run_here("build", "mini_k400", "--out", tmp_path / "set", *options).stderr


@pytest.mark.parametrize("total", [3, 9])
def test_tasks_one_after_another_make_the_set_of_one_build(dozen, reference, tmp_path, total):
    """Nine tasks are more than there are shards: some have nothing to do."""
    out = tmp_path / "set"
    for number in range(1, total):
        task(dozen, out, f"{number}/{total}")
        if number == 1:
            assert not (out / "manifest.json").exists()
            assert read_status(out).state == "stopped"
            assert "have not finished" in run_here("explain", out, "train-video0_000000_000010").stderr
    if total == 3:
        assert "shards of other tasks are not finished yet" in task(dozen, tmp_path / "other", "2/3")
        assert "Shard set" in task(dozen, out, "3/3")
    assert hashes(out) == hashes(reference)
    assert problems(out) == []
    assert not list((out / ".build").glob("share-*"))
    assert read_status(out).state == "complete"


def test_a_task_that_is_run_again_finds_the_set(dozen, reference, tmp_path):
    out = tmp_path / "set"
    for share in ("1/2", "2/2", "1/2"):
        said = task(dozen, out, share)
    assert "Shard set" in said
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_tasks_side_by_side(dozen, reference, tmp_path):
    """Whichever ends last makes the set, and only one does."""
    out = tmp_path / "set"
    tasks = [start_build(dozen, out, "--sync", "--array", f"{number}/3") for number in (1, 2, 3)]
    said = [process.communicate(timeout=240)[0] for process in tasks]
    assert [process.returncode for process in tasks] == [0, 0, 0], said
    assert sum("Shard set" in text for text in said) == 1, said
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_a_killed_task_goes_on(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    killed = start_stuck_task(dozen, out, misbehaving_ffmpeg)
    wait_until(lambda: seen(out, 2, 2) >= 4)
    state = read_status(out)
    assert (state.state, state.num_tasks_running, state.num_videos_done >= 4) == ("running", 1, True)
    kill_family(killed)
    task(dozen, out, "1/2")
    task(dozen, out, "2/2")
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_a_task_that_is_told_to_end_keeps_its_videos_and_disturbs_no_other(
    dozen, reference, tmp_path, misbehaving_ffmpeg
):
    out, slow = tmp_path / "set", misbehaving_ffmpeg(*SLOW)
    tasks = [start_build(dozen, out, "--sync", "--array", f"{n}/2", "--ffmpeg", slow) for n in (1, 2)]
    wait_until(lambda: seen(out, 1, 2) >= 2)
    tasks[0].send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=240)[0] for process in tasks]
    assert tasks[0].returncode == 128 + signal.SIGTERM, said[0]
    assert "Stopped." in said[0]
    assert tasks[1].returncode == 0, said[1]
    task(dozen, out, "1/2")
    assert hashes(out) == hashes(reference)


@pytest.mark.slow
def test_two_of_one_share_and_a_build_beside_a_task(dozen, reference, tmp_path, misbehaving_ffmpeg):
    out = tmp_path / "set"
    first = start_stuck_task(dozen, out, misbehaving_ffmpeg)
    wait_until(lambda: seen(out, 2, 2) >= 1)
    again = run_build(dozen, out, "--sync", "--array", "2/2")
    assert again.returncode == 1
    assert f"Another build is working in {share_dir(out, 2, 2)} (process {first.pid} on " in again.stderr
    whole = run_build(dozen, out, "--sync")
    assert whole.returncode == 1
    assert "Task 2 of 2 of a job array is at work." in whole.stderr
    kill_family(first)
    build(dozen, out, "--sync")  # takes over what the task has finished, and builds the rest
    assert hashes(out) == hashes(reference)


def test_finalise_names_what_is_not_finished_and_makes_the_set_of_the_rest(dozen, reference, tmp_path):
    out = tmp_path / "set"
    task(dozen, out, "1/2")
    refused = run_build(dozen, out, "--sync", "--finalise")
    assert refused.returncode == 1
    assert "2 shards are not finished (number 1, 3)" in refused.stderr
    task(dozen, out, "2/2")
    (out / "manifest.json").unlink()
    assert "Shard set" in run_build(dozen, out, "--sync", "--finalise").stdout
    assert hashes(out) == hashes(reference)


def test_taking_over_can_be_killed_between_two_files(dozen, reference, tmp_path):
    out = tmp_path / "set"
    task(dozen, out, "1/2")
    staging = out / ".build" / "staging"
    staging.mkdir()
    tar = share_dir(out, 1, 2) / ".build" / "staging" / "000000.tar"
    tar.rename(staging / tar.name)
    build(dozen, out, "--sync")
    assert hashes(out) == hashes(reference)


def test_tasks_of_another_plan_are_refused(dozen, tmp_path):
    out = tmp_path / "set"
    task(dozen, out, "1/2")
    other = run_build(dozen, out, "--sync", "--array", "2/2", "--set", "transcode.crf=30")
    assert other.returncode == 1
    assert "holds the build of another plan" in other.stderr
    assert "transcode was" in other.stderr


def test_a_folder_with_other_things_is_left_alone(dozen, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").write_text("")
    assert (
        "holds no build of vidprep" in run_build(dozen, tmp_path / "set", "--sync", "--array", "1/2").stderr
    )
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["thesis.tex"]


def test_from_python(dozen, reference, tmp_path):
    def share(text):
        return vidprep.build(
            "mini_k400",
            tmp_path / "set",
            sources=[dozen.folder],
            overrides=SMALL[1::2],
            in_process=True,
            array=text,
        )

    first = share("1/2")
    assert (first.finished, first.num_shards_left) == (None, 2)
    with pytest.raises(BuildError, match="other tasks of its job array are at work"):
        _ = first.manifest
    assert share("2/2").manifest.totals["train"].used == 10
    assert hashes(tmp_path / "set") == hashes(reference)
