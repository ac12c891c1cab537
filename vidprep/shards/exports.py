"""Write files that other readers want beside the tars, from index.parquet alone.

    energon       .nv-meta/ and TAR.idx, in place: what `energon prepare` would write by reading every tar
    dali          TAR.idx as text, one for each tar, for `fn.readers.webdataset(index_paths=...)`
    huggingface   README.md, in place: a dataset card that names the columns and the labels
    files         KEY.mp4 as files, and lists of "path label" lines (VideoMAE, InternVideo, V-JEPA 2)
    csv           lists of "path label" lines whose paths are byte ranges of tars, for readers based on FFmpeg

Every export can be repeated; files of an earlier one are replaced.
"""

import json
import sqlite3
import struct
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

from vidprep.errors import ShardError
from vidprep.files import replace_durably, write_whole
from vidprep.links import inside, link_problem
from vidprep.recipes.manifests import class_list_hash
from vidprep.shards.card import dataset_card
from vidprep.shards.index import INDEX_SCHEMA, read_index
from vidprep.shards.layout import CARD, CLASSES, MEMBERS
from vidprep.shards.manifest import read_manifest

Row = dict[str, Any]
OnFile = Callable[[int, int], object]

_BLOCK = 512  # bytes of a tar header; members are padded to a multiple of it
ENERGON_DIR = ".nv-meta"
# The release of energon that writes such files; later ones read them.
_ENERGON_VERSION = "7.4.1"
# energon's own names of splits.
_ENERGON_SPLITS = {"train": "train", "validation": "val"}


def export_energon(shards_dir: Path) -> list[Path]:
    """Write `.nv-meta/` and a `.tar.idx` beside each tar, so that Megatron-Energon reads the set as it is.

    Returns:
        The paths of the files that were written.

    Raises:
        ShardError: If the set is unfinished.
    """
    shards, folder = _rows_by_shard(shards_dir), inside(shards_dir, ENERGON_DIR)
    folder.mkdir(exist_ok=True)
    written = [_write_offsets(inside(shards_dir, f"{name}.idx"), rows) for name, rows in shards]
    counts = {name: len(rows) for name, rows in shards}
    texts = {
        ".info.json": json.dumps({"energon_version": _ENERGON_VERSION, "shard_counts": counts}, indent=2),
        "dataset.yaml": "__module__: megatron.energon\n__class__: CrudeWebdataset\n",
        "split.yaml": _energon_splits(shards),
        "index.uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, read_manifest(shards_dir).index_sha256)),
    }
    written.append(_write_energon_index(folder / "index.sqlite", shards))
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
        written.append(folder / name)
    return written


def export_huggingface(shards_dir: Path) -> list[Path]:
    """Write a dataset card with `dataset_info`, so that Hugging Face datasets knows the names of the labels.

    Returns:
        The path of the card.

    Raises:
        ShardError: If the set is not finished, or does not say its classes.
    """
    manifest = read_manifest(shards_dir)
    names = class_names(shards_dir)
    if not names or manifest.classes_sha256 not in ("", class_list_hash(names)):
        raise ShardError(
            f"{shards_dir / CLASSES} is missing or damaged: the names of the labels are not known."
        )
    path = shards_dir / CARD
    write_whole(path, dataset_card(manifest, names).encode())
    return [path]


def class_names(shards_dir: Path) -> list[str]:
    """Return the names of the labels in order; an empty list if classes.json is missing or damaged."""
    try:
        return [str(one["class"]) for one in json.loads(inside(shards_dir, CLASSES).read_bytes())]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def sidecar_problems(shards_dir: Path, shard: str, rows: list[Row]) -> list[str]:
    """Check the index of another reader that lies beside a tar, if there is one: Energon's or wds2idx's."""
    if problem := link_problem(shards_dir, f"{shard}.idx"):
        return [problem]
    path = shards_dir / f"{shard}.idx"
    if not path.is_file() or not rows or path.read_bytes() in (_offsets(rows), _dali_index(rows)):
        return []
    return [
        f"{shard}.idx is the index of another tar, for Energon or DALI. Delete it, or write it anew: "
        f"vidprep export {shards_dir} --for energon."
    ]


def export_dali(shards_dir: Path, out_dir: Path) -> list[Path]:
    """Write `OUT/<split>/<name>.idx` for each tar, with the bytes that NVIDIA's wds2idx would write.

    Returns:
        The paths of the files that were written.

    Raises:
        ShardError: If the set is unfinished.
    """
    written = []
    for name, rows in _rows_by_shard(shards_dir):
        path = (out_dir / name).with_suffix(".idx")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _dali_index(rows))
        written.append(path)
    return written


def export_files(
    shards_dir: Path, out_dir: Path, *, on_file: OnFile = lambda done, total: None
) -> list[Path]:
    """Write each video as `OUT/<split>/<key>.mp4`, and `OUT/<split>.csv` with a "path label" line for each.

    Videos that exist with the right size are left as they are.

    Args:
        shards_dir: Folder of the set.
        out_dir: Folder for the files.
        on_file: Called after each video with how many are done, and how many there are.

    Returns:
        The paths of the lists.

    Raises:
        ShardError: If the set is not finished, or a tar is shorter than the index says.
    """
    rows = _rows(shards_dir)
    for done, row in enumerate(rows, start=1):
        path = out_dir / row["split"] / f"{row['key']}.mp4"
        if not path.is_file() or path.stat().st_size != row["mp4_size"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, _read_video(shards_dir, row))
        on_file(done, len(rows))
    return _write_lists(
        rows, out_dir, lambda row: str((out_dir / row["split"] / f"{row['key']}.mp4").absolute())
    )


def export_csv(shards_dir: Path, out_dir: Path) -> list[Path]:
    """Write `OUT/<split>.csv` with a "path label" line for each video, whose path is a byte range of a tar.

    Such a path, `subfile,,start,A,end,B,,:TAR`, is opened by readers that leave paths to FFmpeg (PyAV,
    torchcodec, FFmpeg itself); for others there is `export_files`. Paths hold no space, as the lists' readers
    split at them.

    Returns:
        The paths of the lists.

    Raises:
        ShardError: If the set is unfinished.
        ValueError: If the path of the set holds a space.
    """
    root = shards_dir.absolute()
    if " " in str(root):
        raise ValueError(f"{root} holds a space, at which readers of such lists split. Move or link the set.")
    rows = _rows(shards_dir)
    tars = {name: inside(root, name) for name in {row["shard"] for row in rows}}
    return _write_lists(rows, out_dir, lambda row: _subfile(tars[row["shard"]], row))


def _subfile(tar: Path, row: Row) -> str:
    start = row["mp4_offset"]
    return f"subfile,,start,{start},end,{start + row['mp4_size']},,:{tar}"


def _rows(shards_dir: Path) -> list[Row]:
    read_manifest(shards_dir)  # raises if the set is unfinished
    rows: list[Row] = read_index(shards_dir).select(INDEX_SCHEMA.names).to_pylist()
    return rows


def _rows_by_shard(shards_dir: Path) -> list[tuple[str, list[Row]]]:
    return [
        (name, list(rows)) for name, rows in groupby(_rows(shards_dir), key=lambda row: str(row["shard"]))
    ]


def _sample_span(row: Row) -> tuple[int, int]:
    """Return where a sample begins in its tar, its first header included, and where the next one does."""
    last = row[f"{MEMBERS[-1]}_offset"] + row[f"{MEMBERS[-1]}_size"]
    return row[f"{MEMBERS[0]}_offset"] - _BLOCK, -(-last // _BLOCK) * _BLOCK


def _write_offsets(path: Path, rows: list[Row]) -> Path:
    write_whole(path, _offsets(rows))
    return path


def _offsets(rows: list[Row]) -> bytes:
    offsets = [_sample_span(row)[0] for row in rows] + [_sample_span(rows[-1])[1]]
    return struct.pack(f"<{len(offsets)}q", *offsets)


def _energon_splits(shards: list[tuple[str, list[Row]]]) -> str:
    lines = ["split_parts:"]
    for split, their_name in _ENERGON_SPLITS.items():
        names = [name for name, _ in shards if name.startswith(f"{split}/")]
        lines += [f"  {their_name}:", *(f"  - {name}" for name in names)] if names else []
    return "\n".join([*lines, "exclude: []", ""])


def _write_energon_index(path: Path, shards: list[tuple[str, list[Row]]]) -> Path:
    partial_path = path.with_name(f"{path.name}.partial")
    partial_path.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial_path)) as database, database:
        database.execute(
            "CREATE TABLE samples (tar_file_id INTEGER NOT NULL, sample_key TEXT NOT NULL UNIQUE, "
            "sample_index INTEGER NOT NULL, byte_offset INTEGER, byte_size INTEGER)"
        )
        database.execute(
            "CREATE TABLE sample_parts (tar_file_id INTEGER, sample_index INTEGER, part_name TEXT, "
            "content_byte_offset INTEGER, content_byte_size INTEGER)"
        )
        for number, (_, rows) in enumerate(shards):
            database.executemany("INSERT INTO samples VALUES (?, ?, ?, ?, ?)", _energon_samples(number, rows))
            database.executemany(
                "INSERT INTO sample_parts VALUES (?, ?, ?, ?, ?)", _energon_parts(number, rows)
            )
        database.execute("CREATE INDEX idx_samples_by_tar_and_idx ON samples(tar_file_id, sample_index)")
        for name, columns in {
            "seq": "content_byte_offset",
            "full": "part_name, content_byte_offset, content_byte_size",
        }.items():
            database.execute(
                f"CREATE INDEX idx_sample_parts_{name} ON sample_parts(tar_file_id, sample_index, {columns})"
            )
    replace_durably(partial_path, path)
    return path


def _energon_samples(tar_number: int, rows: list[Row]) -> Iterator[tuple[object, ...]]:
    for at, row in enumerate(rows):
        start, stop = _sample_span(row)
        yield tar_number, row["key"], at, start, stop - start


def _energon_parts(tar_number: int, rows: list[Row]) -> Iterator[tuple[object, ...]]:
    for at, row in enumerate(rows):
        for member in MEMBERS:
            yield tar_number, at, member, row[f"{member}_offset"], row[f"{member}_size"]


def _dali_index(rows: list[Row]) -> bytes:
    lines = [f"v1.2 {len(rows)}", *(_dali_line(row) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def _dali_line(row: Row) -> str:
    parts = (
        (member, row[f"{member}_offset"], row[f"{member}_size"], f"{row['key']}.{member}")
        for member in MEMBERS
    )
    return " ".join(f"{member} {offset} {size} {name}" for member, offset, size, name in parts)


def _read_video(shards_dir: Path, row: Row) -> bytes:
    with inside(shards_dir, row["shard"]).open("rb") as tar:
        tar.seek(row["mp4_offset"])
        data: bytes = tar.read(row["mp4_size"])
    if len(data) != row["mp4_size"]:
        raise ShardError(
            f"{row['shard']} ends inside {row['key']}. Check the set: vidprep verify {shards_dir}."
        )
    return data


def _write_lists(rows: list[Row], out_dir: Path, path_of: Callable[[Row], str]) -> list[Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {}
    for row in rows:
        lists.setdefault(row["split"], []).append(f"{path_of(row)} {row['label']}\n")
    written = []
    for split, lines in lists.items():
        write_whole(out_dir / f"{split}.csv", "".join(lines).encode())
        written.append(out_dir / f"{split}.csv")
    return written
