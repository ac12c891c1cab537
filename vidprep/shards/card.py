"""Files beside the tars for other readers: the dataset card and the `wids` indexes."""

import json
from collections.abc import Sequence
from typing import Any

from vidprep.recipes.manifests import SPLITS
from vidprep.shards.manifest import Manifest


def format_json(value: object) -> str:
    """Return a value as JSON in the form of a shard set's files."""
    return json.dumps(value, indent=1, ensure_ascii=False)


def wids_index(manifest: Manifest, split: str) -> dict[str, Any]:
    """Return the index that `wids.ShardListDataset` reads, with paths relative to the shard set."""
    return {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"{manifest.recipe.name}-{split}",
        "shardlist": [
            {
                "url": shard.name,
                "md5sum": shard.md5,
                "nsamples": shard.num_samples,
                "filesize": shard.size_bytes,
            }
            for shard in manifest.shards
            if shard.split == split
        ],
    }


# Columns of the `json` member, with the types that Hugging Face datasets finds in it.
_FACT_TYPES = {
    "video_id": "string",
    "split": "string",
    "label": "int64",
    "label_full": "int64",
    "class": "string",
    "num_frames": "int64",
    "width": "int64",
    "height": "int64",
    "fps": "float64",
    "duration_seconds": "float64",
}


def _dataset_info(manifest: Manifest, class_names: Sequence[str]) -> list[str]:
    """Return the lines that make `cls` a ClassLabel, so that a viewer shows names."""
    lines = [
        "dataset_info:",
        "  features:",
        "  - name: cls",
        "    dtype:",
        "      class_label:",
        "        names:",
    ]
    lines += [f"          '{label}': {json.dumps(name)}" for label, name in enumerate(class_names)]
    lines += ["  - name: json", "    struct:"]
    for name, kind in _FACT_TYPES.items():
        lines += [f"    - name: {name}", f"      dtype: {kind}"]
    for name, kind in {"mp4": "video", "__key__": "string", "__url__": "string"}.items():
        lines += [f"  - name: {name}", f"    dtype: {kind}"]
    lines.append("  splits:")
    for split in (split for split in SPLITS if manifest.totals[split].num_shards):
        total = manifest.totals[split]
        lines += [
            f"  - name: {split}",
            f"    num_bytes: {total.size_bytes}",
            f"    num_examples: {total.used}",
        ]
    return lines


def dataset_card(manifest: Manifest, class_names: Sequence[str] = ()) -> str:
    """Return README.md: a YAML head that Hugging Face datasets reads, and the accounting for people.

    Args:
        manifest: Manifest of the set.
        class_names: Names in label order; if given, the head also declares the columns and names the labels.
    """
    recipe = manifest.recipe
    lines = [
        "---",
        f"pretty_name: {json.dumps(recipe.title)}",
        "configs:",
        "- config_name: default",
        "  data_files:",
    ]
    for split in (split for split in SPLITS if manifest.totals[split].num_shards):
        lines += [f"  - split: {split}", f"    path: {split}/*.tar"]
    if class_names:
        lines += _dataset_info(manifest, class_names)
    lines += ["---", "", f"# {recipe.title}", ""]
    if manifest.limit is not None:
        lines += [f"A sample: at most {manifest.limit:,} videos of each split.", ""]
    lines += [
        "WebDataset shards: a sample is `KEY.cls` (label), `KEY.json` (facts) and `KEY.mp4` (video).",
        "`classes.json` names the labels, `ledger.parquet` accounts for every annotated video.",
        "",
        "| split | annotated | used | missing | rejected | shards | MB |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {split} | {t.annotated:,} | {t.used:,} | {t.missing:,} | {t.rejected:,} | {t.num_shards:,} "
        f"| {t.size_bytes / 1e6:,.0f} |"
        for split, t in manifest.totals.items()
    ]
    if manifest.history:
        lines += ["", f"This is generation {manifest.generation}; the ones before are in `generations/`.", ""]
        lines += [
            f"- {one.generation}, {one.date[:10]}: {one.why}; {sum(one.num_added.values()):,} added"
            for one in manifest.history
        ]
    tools = ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    lines += ["", f"Made with {tools}. The recipe stands in `manifest.json`.", ""]
    return "\n".join(lines)
