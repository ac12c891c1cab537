"""Small datasets on disk, in the official forms."""

import csv
import gzip
import json
from pathlib import Path

from vidprep.datasets.inventory import Inventory, take_inventory
from vidprep.recipes.recipe import DatasetStage

K400_HEADER = ["label", "youtube_id", "time_start", "time_end", "split"]
HOLDING = "Holding [something] next to [something]"
ROLLING = "Letting [something] roll up a slanted surface, so it rolls back down"
CLOSING = "Closing [something]"


def put(path: Path, data: bytes = b"video") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_text(path: Path, text: str) -> Path:
    return put(path, gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


def k400_row(label: str, youtube_id: str, split: str = "val", start: int = 1) -> list[str]:
    return [label, youtube_id, str(start), str(start + 10), split]


def k400_list(path: Path, *rows: list[str], is_cc: bool = False) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*K400_HEADER, "is_cc"] if is_cc else K400_HEADER)
        writer.writerows([*row, "0"] if is_cc else row for row in rows)
    return str(path)


def ssv2_list(
    folder: Path, split: str, rows: dict[str, str] | list[tuple[str, str]], suffix: str = ""
) -> str:
    pairs = rows.items() if isinstance(rows, dict) else rows
    records = [{"id": i, "label": "", "template": template, "placeholders": []} for i, template in pairs]
    return str(put_text(folder / f"something-something-v2-{split}.json{suffix}", json.dumps(records)))


def k400(sources: list[Path], lists: list[str], **stage: object) -> Inventory:
    return take_inventory(DatasetStage(name="k400", **stage), [str(path) for path in sources], lists)


def ssv2(sources: list[Path], lists: list[str], **stage: object) -> Inventory:
    return take_inventory(DatasetStage(name="ssv2", **stage), [str(path) for path in sources], lists)


def status_of(inventory: Inventory) -> dict[str, tuple[str, str]]:
    """Status and reason per id of an inventory that names each id once."""
    rows = inventory.rows
    assert not rows["video_id"].duplicated().any()
    return {row.video_id: (row.status, row.reason) for row in rows.itertuples()}
