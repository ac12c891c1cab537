"""What became of the annotated videos, beside the published counts (Kobayashi & Ye 2024, Table A)."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from markupsafe import Markup

from vidprep.recipes.manifests import SPLITS
from vidprep.report.drawing.flow import Branch, flow
from vidprep.shards.ledger import REASONS, STATUSES, SUSPICIONS

MAX_LISTED = 40  # missing or rejected videos that are listed


@dataclass(frozen=True)
class Account:
    """What became of the annotated videos of a split; `expected` is the published count, if there is one."""

    split: str
    annotated: int
    used: int
    missing: int
    rejected: int
    expected: int | None
    flow: Markup


@dataclass(frozen=True)
class Listed:
    """The first videos of a status; `num_more` others are not shown."""

    status: str
    rows: list[dict[str, str]]
    num_more: int


def account(ledger: pa.Table, expected: dict[str, int]) -> list[Account]:
    """Count a ledger, split by split, beside the expected counts."""
    rows = zip(*(ledger[name].to_pylist() for name in ("split", "status", "reason")), strict=True)
    counts = Counter(rows)
    return [_account(split, counts, expected.get(split)) for split in SPLITS]


def _account(split: str, counts: Counter[Any], expected: int | None) -> Account:
    of_split = {(status, reason): n for (each, status, reason), n in counts.items() if each == split}
    total = {status: sum(n for (each, _), n in of_split.items() if each == status) for status in STATUSES}
    reasons = Counter({reason: n for (status, reason), n in of_split.items() if status == "rejected"})
    branches = [
        Branch("used", "used", total["used"]),
        Branch("missing", "missing", total["missing"]),
        *(Branch(f"rejected: {reason}", "rejected", n) for reason, n in reasons.most_common()),
    ]
    annotated = sum(total.values())
    drawing = flow(split, branches) if annotated else Markup("")
    return Account(split, annotated, total["used"], total["missing"], total["rejected"], expected, drawing)


def first_listed(ledger: pa.Table, status: str) -> Listed:
    """List the first `MAX_LISTED` videos of a status, or those that look damaged, as "suspect"."""
    is_suspect = status == "suspect"
    chosen = pc.not_equal(ledger["suspect"], "") if is_suspect else pc.equal(ledger["status"], status)
    rows = ledger.filter(chosen)
    first = [
        {
            "name": row["key"] or f"{row['split']}/{row['video_id']}",
            "class": row["class"],
            "reason": row["suspect" if is_suspect else "reason"],
            "detail": row["detail"],
        }
        for row in rows.slice(0, MAX_LISTED).to_pylist()
    ]
    return Listed(status, first, rows.num_rows - len(first))


def reasons_there(ledger: pa.Table) -> list[tuple[str, str]]:
    """Return the reasons of rejection and the suspicions that occur, with what they mean."""
    there = {*pc.unique(ledger["reason"]).to_pylist(), *pc.unique(ledger["suspect"]).to_pylist()}
    return [(reason, meaning) for reason, meaning in (REASONS | SUSPICIONS).items() if reason in there]
