"""Trainings that lose a process, ranks that share videos, sets that are opened again and again."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil

from benchmarks.faults.damaged_files import RELEASE
from benchmarks.faults.interrupted_builds import last_sentence
from benchmarks.faults.outcome import Outcome
from tests.helpers.runs import tiny
from vidprep.harness.evaluation.tables.predictions import read_predictions
from vidprep.harness.run_folder import read_metrics
from vidprep.load import LoaderOptions, ViewLoader
from vidprep.recipes.recipe import EvalViews
from vidprep.shards.shard_set import ShardSet

_INLINE = LoaderOptions(num_workers=0)


def trainings(folder: Path, tries: int) -> Iterator[Outcome]:
    """Yield what becomes of trainings that lose the program, or a worker of the loader."""
    shards = tiny.write_tiny_shards(folder / "tiny", folder)
    whole = folder / "whole"
    tiny.run("train", "--shards", shards, "--out", whole, "--log-every", 1, "--workers", 1, *tiny.options())
    for name, kill in (("kill -9 of a training", _kill_main), ("kill -9 of a loader worker", _kill_worker)):
        yield _train_again(name, kill, shards, whole, folder, tries)


def _train_again(
    name: str, kill: Callable[[int], None], shards: Path, whole: Path, folder: Path, tries: int
) -> Outcome:
    survived = same = lost = duplicated = 0
    said: Counter[str] = Counter()
    for number in range(tries):
        run, draw = folder / f"{name} {number}".replace(" ", "_"), random.Random(number)
        words = ["train", "--shards", shards, "--out", run, "--log-every", 1, "--workers", 1, *tiny.options()]
        process = tiny.start(*words)
        wanted = draw.randrange(1, 6)
        while process.poll() is None and len(read_metrics(run)) < wanted:
            time.sleep(0.01)
        kill(process.pid)
        text, _ = process.communicate(timeout=240)
        said[_sentence(text, process.returncode)] += 1
        tiny.run(*words, "--resume")
        missing, twice, is_same = _compare(run, whole)
        survived += 1
        lost, duplicated, same = lost + missing, duplicated + twice, same + is_same
    return Outcome(
        f"{name} (steps and losses)", tries, survived, lost, duplicated, same, said.most_common(1)[0][0]
    )


def ranks(shards: Path, folder: Path, tries: int) -> Outcome:
    """Kill one of two ranks at a random step; both go on with --resume."""
    whole = folder / "whole_of_two"
    tiny.run(*_train(shards, whole), num_ranks=2)
    survived = same = lost = duplicated = 0
    said: Counter[str] = Counter()
    for number in range(tries):
        run, draw, port = folder / f"ranks_{number}", random.Random(number), tiny.free_port()
        words = _train(shards, run)
        both = [tiny.start(*words, rank=rank, world_size=2, port=port) for rank in range(2)]
        wanted = draw.randrange(1, 6)
        while both[0].poll() is None and len(read_metrics(run)) < wanted:
            time.sleep(0.01)
        _kill_main(both[1].pid)
        texts = [process.communicate(timeout=240)[0] for process in both]
        said[_sentence(texts[0], both[0].returncode)] += 1
        tiny.run(*words, "--resume", num_ranks=2)
        missing, twice, is_same = _compare(run, whole)
        survived += 1
        lost, duplicated, same = lost + missing, duplicated + twice, same + is_same
    name = "kill -9 of one of two ranks (steps and losses)"
    return Outcome(name, tries, survived, lost, duplicated, same, said.most_common(1)[0][0])


def _compare(run: Path, whole: Path) -> tuple[int, int, bool]:
    """Return how many steps of a run are missing, how many are there twice, and whether its losses agree."""
    steps = [line["step"] for line in read_metrics(run)]
    expected = [line["step"] for line in read_metrics(whole)]
    is_same = bool(np.array_equal(tiny.losses(run), tiny.losses(whole)))
    return len(set(expected) - set(steps)), len(steps) - len(set(steps)), is_same


def _train(shards: Path, run: Path) -> list[object]:
    return ["train", "--shards", shards, "--out", run, "--log-every", 1, "--workers", 1, *tiny.options()]


def evaluations(folder: Path, tries: int) -> Outcome:
    """Kill an evaluation at a random moment, run the same command again; compare predictions."""

    def words(out: Path) -> list[object]:
        checkpoint = RELEASE / "run/checkpoints/epoch-0003.pt"
        sets = ["--shards", RELEASE / "shards", "--split", "train", "--checkpoint", checkpoint]
        return ["eval", *sets, "--out", out, "--workers", 1, "--device", "cpu"]

    tiny.run(*words(folder / "whole_eval"))
    expected = (folder / "whole_eval/predictions.parquet").read_bytes()
    keys = read_predictions(folder / "whole_eval")["key"].to_list()
    same = lost = duplicated = 0
    said: Counter[str] = Counter()
    for number in range(tries):
        out, draw = folder / f"eval_{number}", random.Random(number)
        process = tiny.start(*words(out))
        while process.poll() is None and not (out / "parts/evaluation.json").exists():
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 2))
        _kill_main(process.pid)
        text, _ = process.communicate(timeout=240)
        said[_sentence(text, process.returncode)] += 1
        tiny.run(*words(out))
        counts = Counter(read_predictions(out)["key"].to_list())
        lost += sum(counts[key] == 0 for key in keys)
        duplicated += sum(count - 1 for count in counts.values())
        same += (out / "predictions.parquet").read_bytes() == expected
    return Outcome(
        "kill -9 of an evaluation", tries, tries, lost, duplicated, same, said.most_common(1)[0][0]
    )


def _sentence(text: str, code: int) -> str:
    if code == -signal.SIGKILL:
        return "nothing"
    return last_sentence(text).split(" (process")[0] if code else "goes on by itself"


def _kill_main(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _kill_worker(pid: int) -> None:
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            if "vidprep.load.workers.worker" in " ".join(child.cmdline()):
                child.kill()


def many_ranks(world_size: int = 64) -> Outcome:
    """Share the videos of a split among ranks; each video has to be seen once."""
    shards, views = ShardSet.open(RELEASE / "shards"), EvalViews(clip_len=2, crop_size=16)
    keys: list[str] = []
    for rank in range(world_size):
        loader = ViewLoader(shards, "train", views=views, rank=rank, world_size=world_size, options=_INLINE)
        keys += [batch.key[0] for batch in loader]  # all views of a batch are of one video
    counts, expected = Counter(keys), shards.split("train").index["key"].to_pylist()
    lost = sum(counts[key] == 0 for key in expected)
    duplicated = sum(count - 1 for count in counts.values())
    return Outcome(
        f"{world_size} ranks share {len(expected)} videos", world_size, world_size, lost, duplicated, None, ""
    )


def many_openings(count: int) -> Outcome:
    """Open a shard set again and again; nothing may stay open, and each time the same is read."""
    process = psutil.Process()
    first, before = ShardSet.open(RELEASE / "shards"), process.num_fds()
    same = sum(ShardSet.open(RELEASE / "shards").index.equals(first.index) for _ in range(count))
    left = process.num_fds() - before
    return Outcome(
        "openings of a shard set", count, count, None, None, same, f"{max(left, 0)} files left open"
    )


def run_outcomes(folder: Path, tries: int, openings: int, *, short: bool) -> Iterator[Outcome]:
    """Yield a row for each fault of trainings, evaluations and readers."""
    yield from trainings(folder, tries)
    if not short:
        yield ranks(folder / "tiny", folder, min(tries, 3))
        yield evaluations(folder, min(tries, 3))
    yield many_ranks()
    yield many_openings(openings)
