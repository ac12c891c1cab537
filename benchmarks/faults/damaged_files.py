"""Files of shard sets, runs and evaluations with bytes flipped, cut off, or fields of another kind.

Each file is read by the functions that the commands use. An error with a message and no error at all are both
fine; anything else would be a traceback for a user. Plans and predictions that are read without an error have
to be what was written.
"""

import copy
import hashlib
import io
import json
import random
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.faults.outcome import Outcome
from vidprep.builder.plan import LATER_COLUMNS, Plan
from vidprep.builder.progress.status import read_status
from vidprep.builder.workspace.plan_file import read_plan, write_plan
from vidprep.errors import VidprepError
from vidprep.harness.evaluation.rescore import rescore
from vidprep.harness.evaluation.results import read_results, write_results
from vidprep.harness.evaluation.tables.predictions import read_predictions, read_scores
from vidprep.harness.run_table import summarise_runs
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.model.checkpoint_bytes import checkpoint_bytes
from vidprep.model.weight_files import read_checkpoint
from vidprep.model.weights import load_network
from vidprep.recipes.recipe import TrainClip
from vidprep.report import write_report
from vidprep.shards.checks import find_problems
from vidprep.shards.ledger import read_ledger
from vidprep.shards.manifest import file_sha256
from vidprep.shards.shard_set import ShardSet

RELEASE = Path(__file__).parents[2] / "tests/fixtures/release_0_1"
_OTHERS: tuple[Any, ...] = (None, -1, 0, 2**40, 10**30, 1.5, "", "x", "../../x", [], [1], {}, {"a": 1}, True)


def read_shards(root: Path) -> None:
    """Read a shard set as training, `verify` and `status` do."""
    shards = ShardSet.open(root / "shards")
    _ = shards.classes
    read_ledger(root / "shards")
    for problems in find_problems(root / "shards", num_workers=0):
        if problems:
            raise VidprepError("; ".join(problems))
    clip = TrainClip(clip_len=2, crop_size=16)
    loader = ClipLoader(shards, "train", clip=clip, batch_size=2, options=LoaderOptions(num_workers=0))
    for _batch in loader:
        pass


def read_build(root: Path) -> None:
    read_plan(root / "shards")
    if problem := read_status(root / "shards").log_problem:
        raise VidprepError(problem)


def read_evaluation(root: Path) -> None:
    read_results(root / "eval")
    rescore(root / "eval")
    read_scores(root / "eval")


def read_run(root: Path) -> None:
    page = write_report([root / "run"], root / "report.html").path.read_text(encoding="utf-8")
    for run in summarise_runs(root / "run"):
        if run.torn or run.state.startswith("damaged"):
            raise VidprepError(run.torn or run.state)
    for said in ("cannot be read", "cut short", "not as a training writes it"):
        if said in page:
            raise VidprepError(said)


def read_network(root: Path) -> None:
    load_network(root / "run/checkpoints/epoch-0003.pt")


FILES: dict[str, Callable[[Path], None]] = {
    "shards/manifest.json": read_shards,
    "shards/index.parquet": read_shards,
    "shards/ledger.parquet": read_shards,
    "shards/classes.json": read_shards,
    "shards/train-index.json": read_shards,
    "shards/train/demo-train-000000.tar": read_shards,
    "shards/.build/plan.parquet": read_build,
    "shards/.build/places.json": read_build,
    "shards/.build/done/000001.json": read_build,
    "shards/.build/log.jsonl": read_build,
    "eval/results.json": read_evaluation,
    "eval/predictions.parquet": read_evaluation,
    "run/run.json": read_run,
    "run/metrics.jsonl": read_run,
    "run/checkpoints/epoch-0003.pt": read_network,
}


def plan_content(root: Path) -> Any:
    plan = read_plan(root / "shards")
    return plan.facts, plan.rows.to_dict("list")


def predictions_content(root: Path) -> Any:
    keys, scores = read_scores(root / "eval")
    return keys, scores.tolist(), read_predictions(root / "eval").to_json()


# What has to be the same as before where flipped bits, noise or a cut give no message.
CONTENTS: dict[str, Callable[[Path], Any]] = {
    "shards/.build/plan.parquet": plan_content,
    "eval/predictions.parquet": predictions_content,
}


def damages(name: str, data: bytes, count: int, seed: int = 0) -> Iterator[tuple[str, bytes]]:
    """Yield `count` damaged versions of a file, each with what was done to it."""
    draw = random.Random(f"{seed}:{name}")
    fields = list(_field_changes(name, data))
    for number in range(count):
        kind = number % (4 if fields else 3)
        if kind == 0:
            yield _flipped(data, draw)
        elif kind == 1:
            size = draw.randrange(len(data))
            yield f"cut to {size} bytes", data[:size]
        elif kind == 2:
            start = draw.randrange(len(data))
            noise = draw.randbytes(min(64, len(data) - start))
            yield f"64 bytes of noise at {start}", data[:start] + noise + data[start + len(noise) :]
        else:
            yield draw.choice(fields)


def _flipped(data: bytes, draw: random.Random) -> tuple[str, bytes]:
    at, bit = draw.randrange(len(data)), draw.randrange(8)
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return f"bit {bit} of byte {at} flipped", bytes(changed)


def _field_changes(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if name.endswith(".json"):
        content = json.loads(data)
        for path in _paths(content):
            for other in _OTHERS:
                yield f"{path} is {other!r}", json.dumps(_changed(content, path, other)).encode()
    elif name.endswith(".jsonl"):
        lines = data.splitlines()
        for field in json.loads(lines[0]):
            for other in _OTHERS:
                first = json.dumps(json.loads(lines[0]) | {field: other}).encode()
                yield f"{field} is {other!r}", b"\n".join([first, *lines[1:]])
    elif name.endswith(".parquet"):
        yield from _cell_changes(data)


def _cell_changes(data: bytes) -> Iterator[tuple[str, bytes]]:
    table = pq.read_table(io.BytesIO(data))
    for at, field in enumerate(table.schema):
        for other in _OTHERS:
            values = table[field.name].to_pylist()
            values[0] = other
            try:
                column = pa.array(values, field.type)
            except (pa.ArrowException, OverflowError, ValueError, TypeError):
                continue
            yield f"{field.name} is {other!r}", _parquet(table.set_column(at, field, column))
        yield f"without {field.name}", _parquet(table.drop_columns([field.name]))


def _parquet(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file)
    return file.getvalue()


def _paths(content: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield before
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in items:
        if isinstance(value, dict | list):
            yield from _paths(value, (*before, name))
        else:
            yield (*before, name)


def _changed(content: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    content = copy.deepcopy(content)
    inner = content
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return content


def _sign(root: Path) -> None:
    """Make the manifest's hashes those of index and ledger, as somebody hostile would."""
    path = root / "shards/manifest.json"
    manifest = json.loads(path.read_bytes())
    for name in ("index", "ledger"):
        data = (root / f"shards/{name}.parquet").read_bytes()
        manifest[f"{name}_sha256"] = hashlib.sha256(data).hexdigest()
    path.write_text(json.dumps(manifest))


def what_comes_of(root: Path, name: str) -> str:
    """Return "message" or "no error", or else the error that a user would see as a traceback."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            FILES[name](root)
    except VidprepError:
        return "message"
    except OSError as error:
        return "message" if error.filename else f"OSError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    return "no error"


def _write_anew(root: Path) -> None:
    """Make files of release 0.1, which have no checksums, ones of today."""
    checkpoint = root / "run/checkpoints/epoch-0003.pt"
    checkpoint.write_bytes(checkpoint_bytes(read_checkpoint(checkpoint)))
    plan = read_plan(root / "shards")
    rows = plan.rows.assign(**dict.fromkeys(LATER_COLUMNS, ""))
    write_plan(Plan(plan.facts, rows), root / "shards")
    sha256 = file_sha256(root / "eval/predictions.parquet")
    results = read_results(root / "eval").model_copy(update={"predictions_sha256": sha256})
    write_results(results, root / "eval")


def _is_other_content(root: Path, name: str, what: str, before: Any) -> bool:
    """Tell whether damage that gave no message changed what is read; fields are changed by people."""
    is_damage = what.startswith(("bit ", "cut ", "64 bytes"))
    return is_damage and name in CONTENTS and CONTENTS[name](root) != before


def try_file(name: str, count: int) -> tuple[Outcome, list[str]]:
    """Damage a file in many ways, one at a time; return the row, and what went wrong with its cause."""
    counts: Counter[str] = Counter()
    tracebacks = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(shutil.copytree(RELEASE, Path(folder) / "release"))
        _write_anew(root)
        before = CONTENTS[name](root) if name in CONTENTS else None
        manifest, data = (root / "shards/manifest.json").read_bytes(), (root / name).read_bytes()
        for number, (what, damaged) in enumerate(damages(name, data, count)):
            (root / "shards/manifest.json").write_bytes(manifest)
            (root / name).write_bytes(damaged)
            if name.endswith(("index.parquet", "ledger.parquet")) and number % 8 > 3:
                _sign(root)
            found = what_comes_of(root, name)
            if found == "no error" and _is_other_content(root, name, what, before):
                found = "other content, without a word"
            counts[found if found in ("message", "no error") else "traceback"] += 1
            if found not in ("message", "no error"):
                tracebacks.append(f"{name}, {what}: {found}")
    well = counts["message"] + counts["no error"]
    said = f"{counts['message']} messages, {counts['no error']} without an error, "
    said += f"{counts['traceback']} tracebacks"
    if name in CONTENTS:
        said += " or other content, edited fields aside"
    return Outcome(f"`{name}` damaged", count, well, None, None, None, said), tracebacks
