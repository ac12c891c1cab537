"""Which missing videos of a finished set have turned up, and which rejected ones are tried again; pure."""

from collections.abc import Collection, Sequence

import pandas as pd

from vidprep.errors import BuildError
from vidprep.shards.ledger import REASONS, is_planned

# The other reasons come from the annotation, which is the same when a set is extended.
RETRIABLE = tuple(
    reason for reason in REASONS if reason not in ("duplicate_row", "two_labels", "two_splits", "invalid_id")
)
_ROW = ["split", "video_id"]
_BEFORE = ["status", "reason", "detail", "source", "source_bytes"]


def check_retry(reasons: Sequence[str], *, extend: bool) -> None:
    """Refuse reasons for which no video can be tried anew.

    Raises:
        ValueError: If one is unknown, or no finished set is to be extended.
    """
    if unknown := [reason for reason in reasons if reason not in RETRIABLE]:
        raise ValueError(
            f"{unknown[0]!r} is no reason for which a video can be tried anew; these are: "
            f"{', '.join(RETRIABLE)}."
        )
    if reasons and not extend:
        raise ValueError("retry tries videos of a finished set anew and needs extend (--extend).")


def newcomers(
    rows: pd.DataFrame, ledger: pd.DataFrame, retry: Collection[str], *, root: object
) -> pd.DataFrame:
    """Return the inventory's rows of the videos that may be added to a set.

    These are videos that were missing and for which a file was found, usable or not; and videos that are
    present and were rejected for a reason in `retry`.

    Args:
        rows: Rows of the inventory that belong to the set.
        ledger: Ledger of the set.
        retry: Reasons of rejection, e.g. "crashed".
        root: Where the set is, for messages.

    Returns:
        Rows of the inventory, with `reason_before`: why a video was rejected, or "".

    Raises:
        BuildError: If the annotation is not the one that the set was built from.
    """
    joined = _joined(rows, ledger, root)
    found = (joined["status_before"] == "missing") & (joined["status"] != "missing")
    again = joined["reason_before"].isin(list(retry)) & (joined["status"] == "present")
    return joined.loc[found | again, [*rows.columns, "reason_before"]]


def as_planned(rows: pd.DataFrame, first_ledger: pd.DataFrame, *, root: object) -> pd.DataFrame:
    """Return an inventory without the videos that were not there when the set was planned.

    Args:
        rows: Rows of the inventory that belong to the set.
        first_ledger: Ledger of the set's first generation.
        root: Where the set is, for messages.

    Raises:
        BuildError: If the annotation is not the one that the set was built from.
    """
    joined = _joined(rows, first_ledger, root)
    before = pd.DataFrame({name: joined[f"{name}_before"] for name in _BEFORE})
    late = ~is_planned(before)
    for name in _BEFORE:
        joined[name] = joined[name].mask(late, before[name])
    return joined[list(rows.columns)]


def count_newly_there(rows: pd.DataFrame, ledger: pd.DataFrame, *, root: object) -> int:
    """Count the videos that are missing in a set and present in an inventory."""
    joined = _joined(rows, ledger, root)
    return int(((joined["status_before"] == "missing") & (joined["status"] == "present")).sum())


def _joined(rows: pd.DataFrame, ledger: pd.DataFrame, root: object) -> pd.DataFrame:
    """Put what the ledger says beside each row, as `*_before`; in the order of the rows."""
    # An id may be annotated twice, and both tables keep the order of the lists.
    before = ledger.assign(_nth=ledger.groupby(_ROW).cumcount())[[*_ROW, "_nth", *_BEFORE, "class"]]
    before = before.rename(columns={name: f"{name}_before" for name in (*_BEFORE, "class")})
    now = rows.assign(_nth=rows.groupby(_ROW, observed=True).cumcount())
    joined = now.merge(before, on=[*_ROW, "_nth"], how="left").drop(columns="_nth")
    new = joined.loc[joined["status_before"].isna(), "video_id"].tolist()
    moved = joined.loc[
        joined["class_before"].notna() & (joined["class"] != joined["class_before"]), "video_id"
    ].tolist()
    num_gone = len(before) - (len(joined) - len(new))
    differences = [
        *([f"new in it: {len(new):,}, e.g. {new[0]}"] if new else []),
        *([f"not in it any more: {num_gone:,}"] if num_gone else []),
        *([f"of another class: {len(moved):,}, e.g. {moved[0]}"] if moved else []),
    ]
    if differences:
        raise BuildError(
            f"{root} was built from another annotation: {'; '.join(differences)}. Pass the lists that it was "
            "built from (--annotations), or build into a new folder."
        )
    return joined
