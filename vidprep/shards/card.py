"""What stands beside the tars for other readers: the dataset card and the `wids` indexes."""

import json
from typing import Any

from vidprep.recipes.manifests import SPLITS
from vidprep.shards.manifest import Manifest


def format_json(value: object) -> str:
    """Return JSON as it stands in the files of a shard set."""
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


def dataset_card(manifest: Manifest) -> str:
    """Return README.md: a head that Hugging Face datasets reads, and the accounting for people."""
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
    tools = ", ".join(f"{name} {version}" for name, version in manifest.tools.items())
    lines += ["", f"Made with {tools}. The recipe stands in `manifest.json`.", ""]
    return "\n".join(lines)
