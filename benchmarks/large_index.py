"""How long a loader takes to open a large set, and how much memory the ranks of a node need for it.

    python benchmarks/large_index.py --shards 40000          ten million samples
    python benchmarks/large_index.py --shards 1000 --ranks 1 as many as Kinetics-400

The index and the manifest are made up; the tars are empty but of the right size, and nobody may read them.
Ranks are processes that open the set at the same time; what they need is their share of memory (PSS) beyond
what they had after the imports. CPU seconds are what a busy machine disturbs least. It writes its section of
RESULTS.md.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from parts.charts import spread
from parts.results_file import Section, add_results_option

SECTION = "Large indexes (`benchmarks/large_index.py`)"
FIGURES = {
    "s": (max, "wall"),
    "CPU seconds of the busiest rank": (max, "cpu"),
    "CPU seconds of the least busy": (min, "cpu"),
    "MiB of all ranks": (sum, "Pss"),
    "MiB of it their own": (sum, "Pss_Anon"),
}
GOALS = {"s": ", goal 5 for ten million", "MiB of all ranks": ", goal 1,024 for ten million"}
PER_SHARD, TAR_BYTES = 250, 200_000_000
RANK = """
import json, sys, time
def memory():
    lines = open("/proc/self/smaps_rollup").read().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) / 1024 for line in lines}
from vidprep.load import ClipLoader, LoaderOptions
from vidprep.recipes.recipe import TrainClip
before = memory()
print("ready", flush=True)
sys.stdin.readline()
start, cpu = time.perf_counter(), time.process_time()
options = {"rank": int(sys.argv[2]), "world_size": 8, "options": LoaderOptions(num_workers=1)}
loader = ClipLoader(sys.argv[1], clip=TrainClip(), batch_size=256, **options)
opened = time.perf_counter() - start, time.process_time() - cpu
requests = loader._requests(0, range(50), {})
digest = [request.video for batch in requests for request in batch]
print(json.dumps({"wall": opened[0], "cpu": opened[1], "videos": len(digest)}), flush=True)
sys.stdin.readline()
after = memory()
print(json.dumps({name: after[name] - before[name] for name in ("Pss", "Pss_Anon")}), flush=True)
sys.stdin.readline()
"""


def big_set(root, num_shards):
    """A finished set whose tars are holes in the disk."""
    from vidprep.shards.layout import INDEX, MANIFEST, shard_name

    if (root / MANIFEST).exists():
        return root
    (root / "train").mkdir(parents=True)
    names = [shard_name("big", "train", number) for number in range(num_shards)]
    write_big_index(root / INDEX, names)
    for name in names:
        with (root / name).open("wb") as tar:
            tar.truncate(TAR_BYTES)
    write_manifest(root, names)
    return root


def write_big_index(path, names):
    """Rows in as many groups as a build writes them in; numbers that differ as those of real videos do."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vidprep.shards.index import INDEX_SCHEMA

    number = len(names) * PER_SHARD
    rows, draw = np.arange(number), np.random.default_rng(0)
    keys = pa.array([f"train-{row:08d}_{row * 2654435761 % 2**32:08x}" for row in rows.tolist()])
    constant = {"split": "train", "class": "a class", "fps": 30.0, "duration_seconds": 10.0, "height": 256}
    columns = {name: pa.repeat(pa.scalar(value), number) for name, value in constant.items()}
    columns |= {name: pa.array(draw.integers(100, 90_000, number)) for name in INDEX_SCHEMA.names[12:]}
    columns |= {"key": keys, "video_id": keys}
    columns["shard"] = pa.DictionaryArray.from_arrays(pa.array(rows // PER_SHARD), pa.array(names))
    columns["position"] = pa.array(rows % PER_SHARD)
    columns["label"] = pa.array(rows % 700)
    columns["num_frames"] = pa.array(draw.integers(60, 301, number))
    columns["width"] = pa.array(draw.choice([256, 340, 456], number))
    columns["mp4_offset"] = pa.array(rows % PER_SHARD * 400_000 + draw.integers(0, 300_000, number))
    columns["mp4_crc32"] = pa.array(draw.integers(0, 2**32, number))
    typed = [columns[field.name].cast(field.type) for field in INDEX_SCHEMA]
    pq.write_table(pa.Table.from_arrays(typed, schema=INDEX_SCHEMA), path, compression="zstd")


def write_manifest(root, names):
    from vidprep.recipes.manifests import SPLITS
    from vidprep.recipes.recipe import DatasetStage, Recipe
    from vidprep.shards.layout import INDEX, MANIFEST
    from vidprep.shards.manifest import Manifest, ShardEntry, SplitTotals

    entries = tuple(
        ShardEntry(
            name=name,
            split="train",
            num_samples=PER_SHARD,
            size_bytes=TAR_BYTES,
            sha256=hashlib.sha256(name.encode()).hexdigest(),
            md5=hashlib.md5(name.encode()).hexdigest(),
        )
        for name in names
    )
    manifest = Manifest(
        recipe=Recipe(name="big", title="Big", dataset=DatasetStage(name="ssv2")),
        classes_sha256="",
        source_sha256="",
        tools={},
        shards=entries,
        totals={split: totals_of(SplitTotals, names if split == "train" else []) for split in SPLITS},
        index_sha256=hashlib.sha256((root / INDEX).read_bytes()).hexdigest(),
        ledger_sha256="",
    )
    (root / MANIFEST).write_text(manifest.model_dump_json())


def totals_of(kind, names):
    used, size = len(names) * PER_SHARD, len(names) * TAR_BYTES
    return kind(annotated=used, used=used, missing=0, rejected=0, num_shards=len(names), size_bytes=size)


def open_as_ranks(root, num_ranks, temporary):
    """Open the set in several processes at once; return what each took and needs."""
    environment = os.environ | {"TMPDIR": str(temporary)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(root), str(rank)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(num_ranks)
    ]
    said = [[], [], []]
    for part in said:
        part += [rank.stdout.readline() for rank in ranks]  # all are there before any goes on
        for rank in ranks:
            rank.stdin.write("on\n")
            rank.stdin.flush()
    for rank in ranks:
        rank.communicate()
    return [json.loads(took) | json.loads(needs) for took, needs in zip(*said[1:], strict=True)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("demo/bench-large-index"))
    parser.add_argument("--shards", type=int, default=40_000)
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    add_results_option(parser)
    args = parser.parse_args()
    section = Section(args.results, SECTION)
    section.begin(f"{args.ranks} ranks at once, after the imports; {args.rounds} rounds")
    root = big_set(args.folder / str(args.shards), args.shards)
    found = {what: figures(rounds_of(root, what, args)) for what in ("first time", "again")}
    head = (f"{args.shards * PER_SHARD:,} samples", *(f"{name}{GOALS.get(name, '')}" for name in FIGURES))
    section.table(head, [(what, *cells_of(of)) for what, of in found.items()])
    for place, (label, name) in enumerate((("CPU seconds", "time"), ("MiB of all ranks", "memory"))):
        names = list(FIGURES)[1:3] if place == 0 else list(FIGURES)[3:]
        bars = {f"{what}, {one}": of[one] for what, of in found.items() for one in names}
        section.chart(bars, label, f"large-index-{name}")


def rounds_of(root, what, args):
    """What the ranks took and need in each round, with and without the files that they share from before."""
    runs = []
    for _ in range(args.rounds):
        temporary = Path(tempfile.mkdtemp(dir=args.folder))
        try:
            if what == "again":
                open_as_ranks(root, 1, temporary)
            runs.append(open_as_ranks(root, args.ranks, temporary))
        finally:
            shutil.rmtree(temporary)
    return runs


def figures(runs):
    """Each figure in each round, by its name."""
    return {
        name: [choose(rank[key] for rank in run) for run in runs] for name, (choose, key) in FIGURES.items()
    }


def cells_of(found):
    return [spread(each, "{:,.0f}" if name.startswith("MiB") else "{:.2f}") for name, each in found.items()]


if __name__ == "__main__":
    main()
