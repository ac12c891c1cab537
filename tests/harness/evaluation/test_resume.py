"""An evaluation that was stopped, in whatever way, goes on and ends with the same scores."""

import re
import shutil
import signal
import subprocess
import time

import pytest
from filelock import FileLock

from tests.harness.evaluation.test_evaluate import assert_same_scores
from tests.helpers.runs.small_evaluation import (
    ONE,
    command,
    environment,
    run_evaluation,
    run_ranks,
    write_network,
)
from vidprep.errors import HarnessError, HarnessStopped
from vidprep.harness.evaluation.partial_results import read_done
from vidprep.harness.evaluation.results import read_results
from vidprep.recipes.recipe import EvalViews

FEW = EvalViews(clip_len=2, num_clips=1, num_crops=1, crop_size=32)


@pytest.fixture(scope="module")
def fast_network(many_shards, tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("network") / "net.pt", many_shards, FEW)


@pytest.fixture(scope="module")
def uninterrupted(many_shards, fast_network, tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("uninterrupted")
    run_evaluation(fast_network, many_shards, out_dir)
    return out_dir


class StopError(Exception):
    """What a test raises in the middle of an evaluation."""


def stop_after(number, error):
    def on_video(done, total):
        if done == number:
            raise error

    return on_video


def start_and_wait_for_a_part(shards, network, out_dir) -> subprocess.Popen:
    arguments = ("--shards", shards, "--checkpoint", network, "--out", out_dir, "--workers", 1)
    process = subprocess.Popen(command(*arguments), env=environment(), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 240
    while not list(out_dir.glob("parts/rows-*.parquet")):
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.005)
    return process


def test_killed_without_warning(many_shards, fast_network, uninterrupted, tmp_path):
    process = start_and_wait_for_a_part(many_shards, fast_network, tmp_path / "out")
    process.kill()
    process.communicate()
    kept = read_done(tmp_path / "out" / "parts")
    assert 64 <= len(kept) < 200
    totals = set()
    run_evaluation(
        fast_network, many_shards, tmp_path / "out", on_video=lambda done, total: totals.add(total)
    )
    assert totals == {200 - len(kept)}
    assert_same_scores(uninterrupted, tmp_path / "out")
    assert read_results(tmp_path / "out").coverage == read_results(uninterrupted).coverage


def test_sigterm_keeps_what_is_done_and_says_so(many_shards, fast_network, uninterrupted, tmp_path):
    process = start_and_wait_for_a_part(many_shards, fast_network, tmp_path / "out")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 128 + signal.SIGTERM
    assert re.search(r"Error: Stopped by SIGTERM. Finished videos are kept in .*out/parts; the same", errors)
    assert "Traceback" not in errors
    assert 64 <= len(read_done(tmp_path / "out" / "parts")) < 200
    run_evaluation(fast_network, many_shards, tmp_path / "out")
    assert_same_scores(uninterrupted, tmp_path / "out")


@pytest.mark.slow
def test_goes_on_with_another_number_of_ranks(many_shards, fast_network, uninterrupted, tmp_path):
    process = start_and_wait_for_a_part(many_shards, fast_network, tmp_path)
    process.kill()
    process.communicate()
    kept = len(read_done(tmp_path / "parts"))
    done = run_ranks(
        3, "--shards", many_shards, "--checkpoint", fast_network, "--out", tmp_path, "--workers", 0
    )
    assert [rank.returncode for rank in done] == [0, 0, 0], done
    share = -(-(200 - kept) // 3)
    assert f"{share} / {share} videos of rank 0 of 3" in done[0].stderr
    assert_same_scores(uninterrupted, tmp_path)


def test_ctrl_c_keeps_the_videos_since_the_last_part(shards, network, tmp_path, evaluated):
    with pytest.raises(HarnessStopped, match="Stopped by SIGINT"):
        run_evaluation(network, shards, tmp_path, on_video=stop_after(3, KeyboardInterrupt()))
    assert sorted(read_done(tmp_path / "parts")) == [0, 1, 2]
    assert not (tmp_path / "results.json").exists()
    run_evaluation(network, shards, tmp_path)
    assert_same_scores(evaluated, tmp_path)


def test_signals_are_as_before_afterwards(evaluated, shards, network, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run_evaluation(network, shards, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_any_other_end_keeps_what_is_done(shards, network, tmp_path):
    with pytest.raises(StopError):
        run_evaluation(network, shards, tmp_path, on_video=stop_after(5, StopError()))
    assert sorted(read_done(tmp_path / "parts")) == [0, 1, 2, 3, 4]


def test_a_complete_evaluation_is_not_done_again(evaluated, shards, network, tmp_path, caplog):
    out_dir = shutil.copytree(evaluated, tmp_path / "out")
    before = (out_dir / "predictions.parquet").stat().st_mtime_ns
    results = run_evaluation(network, shards, out_dir, on_video=stop_after(1, StopError()))
    assert results == read_results(evaluated)
    assert (out_dir / "predictions.parquet").stat().st_mtime_ns == before
    assert "holds this evaluation, every stored video scored: nothing is done again" in caplog.text


@pytest.mark.parametrize("state", ["begun", "complete"])
def test_another_evaluation_in_the_same_folder_is_refused(
    evaluated, shards, network, tmp_path, state, own_shards
):
    out_dir = tmp_path / "out"
    if state == "complete":
        shutil.copytree(evaluated, out_dir)
    else:
        with pytest.raises(StopError):
            run_evaluation(network, shards, out_dir, on_video=stop_after(2, StopError()))
    other = write_network(tmp_path / "other.pt", shards, EvalViews(clip_len=8, crop_size=64), seed=5)
    with pytest.raises(HarnessError, match=r"checkpoint.sha256 = '\w+', not '\w+'. Give another --out"):
        run_evaluation(other, shards, out_dir)
    with pytest.raises(HarnessError, match=r"another evaluation, with views.num_clips = 3, not 10"):
        run_evaluation(network, shards, out_dir, overrides=["eval_views.num_clips=10"])
    with pytest.raises(HarnessError, match=r"shards.split = 'validation', not 'train'"):
        run_evaluation(network, shards, out_dir, split="train")
    with pytest.raises(HarnessError, match=r"protocol = None, not 'ibm', views.temporal = 'dense', not 'uni"):
        run_evaluation(network, shards, out_dir, protocol="ibm")
    manifest = own_shards / "manifest.json"
    manifest.write_text(manifest.read_text().replace("Numbered", "Numbered anew"))
    with pytest.raises(HarnessError, match=r"shards.fingerprint = "):
        run_evaluation(network, own_shards, out_dir)


def test_two_at_a_time_in_one_folder(shards, network, tmp_path):
    (tmp_path / "parts").mkdir()
    with (
        FileLock(tmp_path / "parts" / "lock"),
        pytest.raises(HarnessError, match="Another evaluation is at w"),
    ):
        run_evaluation(network, shards, tmp_path)


def test_a_row_that_is_there_twice_is_counted_and_named(shards, network, tmp_path):
    with pytest.raises(StopError):
        run_evaluation(network, shards, tmp_path, on_video=stop_after(2, StopError()))
    (part,) = (tmp_path / "parts").glob("rows-*.parquet")
    shutil.copy(part, part.with_name("rows-00000099.parquet"))
    results = run_evaluation(network, shards, tmp_path)
    assert (results.coverage.scored, results.coverage.duplicates, results.all_stored_scored) == (7, 2, False)
    assert ONE.is_first and (tmp_path / "parts").exists()


def test_damaged_parts_are_named_and_not_taken_for_scores(many_shards, fast_network, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(StopError):
        run_evaluation(fast_network, many_shards, out, on_video=stop_after(70, StopError))
    part = sorted(out.glob("parts/rows-*.parquet"))[0]
    whole = part.read_bytes()
    for place in range(100, len(whole), len(whole) // 40):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert sorted(read_done(out / "parts")) == list(range(70))  # of a byte that says nothing
        except HarnessError as error:
            assert re.search(r"rows-\d+\.parquet is damaged .*Delete it and run the same", str(error))
    part.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(HarnessError, match=r"rows-\d+\.parquet is damaged"):
        run_evaluation(fast_network, many_shards, out)
    part.write_bytes(whole)
    (out / "parts/evaluation.json").write_text('{"protocol": ')
    with pytest.raises(HarnessError, match=r"evaluation\.json is damaged .*Delete .*parts and run"):
        run_evaluation(fast_network, many_shards, out)
