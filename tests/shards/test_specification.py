"""A reader written from docs/shards.md alone: nothing of vidprep is used to read."""

import hashlib
import io
import json
import zlib

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.helpers.paths import REPOSITORY

SPLITS = ("train", "validation")
MEMBERS = ("cls", "json", "mp4")
STRINGS = {"split", "video_id", "status", "reason"}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def rows(path):
    return pq.read_table(path).to_pylist()


def tar_members(data):
    """Return name, offset, size and header of each member of a USTAR file."""
    found, at = [], 0
    while any(header := data[at : at + 512]):
        size = int(header[124:135], 8)
        found.append((header[:100].rstrip(b"\0").decode(), at + 512, size, header))
        at += 512 + -(-size // 512) * 512
    assert len(data) % 10_240 == 0 and not any(data[at:])
    return found


def fingerprint(data):
    with av.open(io.BytesIO(data)) as container:
        frames = [frame.to_ndarray()[: frame.height, : frame.width] for frame in container.decode(video=0)]
    bits = []
    for number in (0, len(frames) // 2, len(frames) - 1):
        (h, w), luma = frames[number].shape, frames[number].astype(int)
        cells = [
            [luma[i * h // 8 : (i + 1) * h // 8, j * w // 9 : (j + 1) * w // 9] for j in range(9)]
            for i in range(8)
        ]
        means = [[int(cell.sum()) // cell.size for cell in line] for line in cells]
        bits += [means[i][j] > means[i][j + 1] for i in range(8) for j in range(8)]
    return np.packbits(bits).tobytes()


def as_text(name, value):
    if value is None:
        return ""
    if name == "content":
        return value.hex()
    return json.dumps(value) if name in STRINGS else str(value)


def hash_rows(table, names):
    lines = ["\t".join(as_text(name, row[name]) for name in names) for row in table]
    return sha256("\n".join(lines).encode())


@pytest.fixture(scope="module")
def manifest(finished):
    return load(finished / "manifest.json")


def test_manifest_and_class_list(finished, manifest):
    assert manifest["format_version"] == 2
    assert {"generation", "history"} & manifest.keys() == set()
    for name in ("index", "ledger", "passport"):
        assert sha256((finished / f"{name}.parquet").read_bytes()) == manifest[f"{name}_sha256"]
    classes = load(finished / "classes.json")
    assert [one["label"] for one in classes] == list(range(len(classes)))
    assert sha256("\n".join(one["class"] for one in classes).encode()) == manifest["classes_sha256"]
    for split, total in manifest["totals"].items():
        tars = [one for one in manifest["shards"] if one["split"] == split]
        assert total["annotated"] == total["used"] + total["missing"] + total["rejected"]
        assert total["used"] == sum(one["num_samples"] for one in tars)
        assert (total["num_shards"], total["size_bytes"]) == (
            len(tars),
            sum(one["size_bytes"] for one in tars),
        )


def test_tars_and_their_index(finished, manifest):
    index = iter(rows(finished / "index.parquet"))
    for shard in manifest["shards"]:
        data = (finished / shard["name"]).read_bytes()
        assert (len(data), sha256(data)) == (shard["size_bytes"], shard["sha256"])
        assert hashlib.md5(data).hexdigest() == shard["md5"]
        members = tar_members(data)
        assert len(members) == 3 * shard["num_samples"] > 0
        for position in range(shard["num_samples"]):
            row = next(index)
            assert (row["shard"], row["position"]) == (shard["name"], position)
            assert row["key"] == f"{row['split']}-{row['video_id']}"
            for member, found in zip(MEMBERS, members[3 * position : 3 * position + 3], strict=True):
                at, size = row[f"{member}_offset"], row[f"{member}_size"]
                assert found[:3] == (f"{row['key']}.{member}", at, size)
                check_header(found[3])
            check_sample(row, {m: data[row[f"{m}_offset"] :][: row[f"{m}_size"]] for m in MEMBERS})
    assert next(index, None) is None


def check_header(header):
    assert header[257:265] == b"ustar\x0000" and header[156:157] == b"0"
    mode, owner, group, time = (
        int(header[a:b], 8) for a, b in ((100, 107), (108, 115), (116, 123), (136, 147))
    )
    assert (mode, owner, group, time) == (0o444, 0, 0, 0)
    assert header[265:297].rstrip(b"\0") == header[297:329].rstrip(b"\0") == b"vidprep"


def check_sample(row, members):
    assert members["cls"] == str(row["label"]).encode()
    assert zlib.crc32(members["mp4"]) == row["mp4_crc32"]
    facts = json.loads(members["json"].decode("ascii"))
    assert facts.pop("label_full") >= 0
    assert facts == {name: row[name] for name in facts} and len(facts) == 9
    with av.open(io.BytesIO(members["mp4"])) as container:
        stream = container.streams.video[0]
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.width, stream.height) == (row["width"], row["height"])
        assert len(container.streams) == 1 and stream.codec_context.name == "h264"
        assert len(packets) == row["num_frames"]
        assert [n for n, packet in enumerate(packets) if packet.is_keyframe] == list(
            range(0, len(packets), 16)
        )


def test_ledger_and_passport(finished, manifest):
    ledger = rows(finished / "ledger.parquet")
    assert [SPLITS.index(row["split"]) for row in ledger] == sorted(
        SPLITS.index(row["split"]) for row in ledger
    )
    index = {row["key"]: row for row in rows(finished / "index.parquet")}
    for row in ledger:
        assert (row["status"] == "used") == (row["key"] in index) == bool(row["shard"])
        assert bool(row["reason"]) == (row["status"] == "rejected")
    passport = rows(finished / "passport.parquet")
    names = list(passport[0])
    assert names[:3] == ["split", "video_id", "label"] and len(passport) == len(ledger)
    assert passport == sorted(passport, key=lambda row: [row[name] for name in names[:3]])
    head = json.loads(pq.read_schema(finished / "passport.parquet").metadata[b"vidprep.passport"])
    assert head["sha256"] == hash_rows(passport, names)
    assert head["records_sha256"] == hash_rows(passport, names[:3])
    assert head["totals"] == manifest["totals"] and head["recipe"] == manifest["recipe"]
    for row in passport:
        stored = index.get(f"{row['split']}-{row['video_id']}")
        if stored is None:
            assert (row["num_frames"], row["mp4_crc32"], row["content"]) == (0, None, None)
            continue
        assert (row["num_frames"], row["mp4_crc32"]) == (stored["num_frames"], stored["mp4_crc32"])
        data = (finished / stored["shard"]).read_bytes()[stored["mp4_offset"] :][: stored["mp4_size"]]
        assert row["content"] == fingerprint(data)


def test_wids_indexes(finished, manifest):
    for split in SPLITS:
        index = load(finished / f"{split}-index.json")
        assert (index["__kind__"], index["wids_version"]) == ("wids-shard-index-v1", 1)
        assert [tuple(one.values()) for one in index["shardlist"]] == [
            (one["name"], one["md5"], one["num_samples"], one["size_bytes"])
            for one in manifest["shards"]
            if one["split"] == split
        ]


def test_the_page_names_every_column_and_key(finished, manifest):
    page = (REPOSITORY / "docs/shards.md").read_text()
    tables = [pq.read_schema(finished / f"{name}.parquet").names for name in ("ledger", "passport")]
    plain = [name for name in pq.read_schema(finished / "index.parquet").names if "_offset" not in name]
    names = {name for table in tables for name in table} | set(manifest) | set(manifest["shards"][0])
    names |= {name for name in plain if not name.endswith("_size")} | set(manifest["totals"]["train"])
    assert len(names) > 40
    assert sorted(name for name in names if name not in page) == []
