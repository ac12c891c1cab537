"""Shard sets, runs, evaluations and analyses to report on, written by hand in the documented formats."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.helpers.sets.numbered import encode, sample, write_shard_set
from vidprep.shards.layout import CLASSES, MANIFEST, sample_key
from vidprep.shards.ledger import LEDGER_SCHEMA, write_ledger
from vidprep.shards.shard_set import ShardSet

SCRIPT = "<script>alert(1)</script>"
NAMES = ("Plugging something into something", SCRIPT, "Tearing 'it' & \"that\"")
SIZES = ((340, 256), (256, 340), (456, 256))
LENGTHS = (60, 60, 40, 130, 60, 60, 20, 60, 60)


def write_shards(root, path, *, splits=("train", "validation"), lengths=LENGTHS, names=NAMES):
    """A finished set of numbered videos of three classes, with its ledger and class list."""
    samples = []
    for split in splits:
        for number, num_frames in enumerate(lengths):
            width, height = SIZES[number % 3]
            data = encode(num_frames, number, width=width, height=height, path=path)
            label = number % len(names)
            one = sample(split, f"v{number}", label, data, num_frames, width, height)
            samples.append(replace(one, class_name=names[label]))
    write_shard_set(root, samples, per_shard=6)
    classes = [{"class": name, "label": label, "label_full": label} for label, name in enumerate(names)]
    (root / CLASSES).write_text(json.dumps(classes))
    rows = [ledger_row(one.split, one.video_id, one.class_name, "used") for one in samples]
    rows += [ledger_row("train", f"gone{number}", names[0], "missing") for number in range(2)]
    rows += [
        ledger_row("train", f"bad{number}", names[-1], "rejected", "partial", SCRIPT) for number in range(60)
    ]
    write_rows(root, rows)
    return root


def ledger_row(split, video_id, class_name, status, reason="", detail=""):
    return {
        "key": sample_key(split, video_id),
        "split": split,
        "video_id": video_id,
        "class": class_name,
        "label": 0,
        "status": status,
        "reason": reason,
        "detail": detail,
        "source": "",
        "source_bytes": 0,
        "shard": "",
    }


def write_rows(root, rows):
    """Write a set's ledger, and its sha256 into the manifest."""
    write_ledger(pa.Table.from_pylist(rows, schema=LEDGER_SCHEMA), root / "ledger.parquet")
    manifest = json.loads((root / MANIFEST).read_text())
    manifest["ledger_sha256"] = hashlib.sha256((root / "ledger.parquet").read_bytes()).hexdigest()
    (root / MANIFEST).write_text(json.dumps(manifest))


def write_run(root, *, num_lines=20, lr=0.01, facts=None):
    """A run whose loss at epoch e is 4 - e, for two epochs."""
    root.mkdir(parents=True)
    lines = [
        {
            "step": 10 * (number + 1),
            "epoch": 2 * (number + 1) / num_lines,
            "lr": lr,
            "loss": 4 - 2 * (number + 1) / num_lines,
            "top1": 0.25,
            "clips_per_second": 50.0,
            "data_wait": 0.01,
            "seconds": 5.0 * number,
        }
        for number in range(num_lines)
    ]
    (root / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "run.json").write_text(json.dumps(facts or {"shards": {"root": SCRIPT}, "starts": [{"rank": 0}]}))
    (root / "recipe.toml").write_text(f"title = '{SCRIPT}'\n")
    return root


def write_evaluation(root, shards, *, wrong=(), **changes):
    """An evaluation of the validation split in which the rows of `wrong` are taken for the next class.

    The sum of logits of row r is 10 - r at the predicted class, 0 elsewhere: earlier rows are surer.
    """
    root.mkdir(parents=True)
    opened = ShardSet.open(shards)
    part = opened.split("validation")
    classes = sorted(opened.classes, key=opened.classes.get)
    rows, labels = len(part), part.labels
    predicted = np.where(np.isin(np.arange(rows), list(wrong)), (labels + 1) % len(classes), labels)
    logits = np.zeros((rows, len(classes)), np.float32)
    logits[np.arange(rows), predicted] = np.maximum(10 - np.arange(rows), 1)
    table = {
        "key": part.index["key"].to_pylist(),
        "label": pa.array(labels, pa.int32()),
        "predicted": pa.array(predicted, pa.int32()),
        "scores": list(np.zeros((rows, 9 * len(classes)), np.float16)),
        "logit_sum": list(logits),
        "softmax_sum": list(logits),
    }
    pq.write_table(pa.table(table), root / "predictions.parquet")
    top1 = float((predicted == labels).mean())
    results = {
        "format": "vidprep evaluation 2",
        "all_stored_scored": True,
        "coverage": {"stored": rows, "scored": rows, "unscored": 0, "duplicates": 0, "failed": []},
        "top1": top1,
        "top5": 1.0,
        "mean_per_class": top1,
        "interval": {"level": 0.95, "top1": [top1 / 2, (1 + top1) / 2], "top5": [0.9, 1.0]},
        "softmax_sum": {"top1": 0.5, "top5": 1.0},
        "centre_view": {"top1": 0.4, "top5": 1.0},
        "checkpoint": {"path": SCRIPT, "sha256": "", "epoch": 2, "total_steps": 20},
        "shards": {"root": str(shards), "fingerprint": opened.fingerprint, "split": "validation"},
        "classes": classes,
        "class_list_hash": "",
        "views": {"num_clips": 3},
        "protocol": None,
        "recipe": None,
        "seconds": 3.0,
        "views_per_second": 9.0,
        "environment": {"torch": "2"},
    }
    (root / "results.json").write_text(json.dumps(results | changes))
    return root


def write_analysis(root: Path):
    """A folder as `vidprep erf` leaves it, with a figure of noise."""
    from PIL import Image

    root.mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (400, 900, 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / "time.png")
    facts = {"checkpoint": SCRIPT, "sigma_frames": 2.79, "extent_frames": [10.5, 21.6], "frames_above": 21}
    (root / "erf.json").write_text(
        json.dumps(facts | {"pixels_above": 12345, "centroid": [16.0, 96.8, 96.5]})
    )
    return root
