"""Records meet files: every record becomes present, missing or rejected, with a reason."""

import numpy as np
import pandas as pd

from vidprep.datasets.records import COLUMNS
from vidprep.shards.layout import escaped_key, is_valid_key, sample_key

# How well a file fits a record. A worse one (greater number) is taken only if there is no better one.
_USABLE, _REJECTED, _USELESS = 0, 1, 2
_NO_FILE = {"rank": _USELESS, "reason": "", "detail": "", "source_dir": "", "source": "", "source_bytes": 0}
_MAX_PLACES = 4


def match(records: pd.DataFrame, files: pd.DataFrame, *, plain_ids: bool = True) -> pd.DataFrame:
    """Match records with files; a pure function of both tables, whatever the order of `files`.

    Args:
        records: Table of `records.COLUMNS`, of all classes: an id may be annotated twice.
        files: `Scan.files` with folder_split and folder_class ("" where the folder does not tell).
        plain_ids: Whether an id that is not a valid key is an error; else it is escaped.

    Returns:
        `records`, in their order, with key, status, reason, detail, source_dir, source and source_bytes.
    """
    keys = _keys(records, plain_ids)
    faults = _annotation_faults(records, keys)
    best = _best_files(records, files)
    faulty = faults["reason"] != ""
    status = np.select(
        [faulty, best["rank"] == _USABLE, best["rank"] == _REJECTED],
        ["rejected", "present", "rejected"],
        "missing",
    )
    return records.assign(
        key=keys,
        status=pd.Series(status, index=records.index, dtype="str"),
        reason=faults["reason"].where(faulty, best["reason"]),
        detail=faults["detail"].where(faulty, best["detail"]),
        **{name: best[name] for name in ("source_dir", "source", "source_bytes")},
    )


def _annotation_faults(records: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
    """Return reason and detail of what is wrong with each record itself; "" where nothing is.

    All records of an id with two classes or in two splits are rejected: it is not known which one is right.
    """
    again = records[records.duplicated("video_id", keep=False)]
    by_id = again.groupby("video_id")
    reason = pd.Series("", index=records.index, dtype="object")
    reason[again.index[again.duplicated(["split", "video_id", "class"])]] = "duplicate_row"
    for column, word in (("split", "two_splits"), ("class", "two_labels")):
        several = by_id[column].transform("nunique") > 1
        reason[again.index[several]] = word
    reason[keys == ""] = "invalid_id"
    detail = _details(records.assign(reason=reason.astype("str")))
    return pd.DataFrame({"reason": reason, "detail": detail}, index=records.index, dtype="str")


def _keys(records: pd.DataFrame, plain_ids: bool) -> pd.Series:
    pairs = zip(records["split"].tolist(), records["video_id"].tolist(), strict=True)
    if plain_ids:
        keys = [key if is_valid_key(key := f"{split}-{video_id}") else "" for split, video_id in pairs]
    else:
        keys = [escaped_key(split, video_id) for split, video_id in pairs]
    return pd.Series(keys, index=records.index, dtype="str")


def _details(records: pd.DataFrame) -> pd.Series:
    faulty = records[records["reason"] != ""]
    involved = records[records["video_id"].isin(faulty["video_id"])]
    places: dict[str, list[str]] = {}
    for split, video_id, name, file, place in involved[list(COLUMNS)].itertuples(index=False, name=None):
        places.setdefault(video_id, []).append(f"{split} '{name}' ({file} {place})")
    details = [
        _detail(reason, split, video_id, places[video_id])
        for reason, split, video_id in zip(faulty["reason"], faulty["split"], faulty["video_id"], strict=True)
    ]
    return pd.Series(details, index=faulty.index, dtype="str").reindex(records.index, fill_value="")


def _detail(reason: str, split: str, video_id: str, places: list[str]) -> str:
    if reason == "invalid_id":
        try:
            sample_key(split, video_id)
        except ValueError as error:
            return str(error)
    if reason == "duplicate_row":
        return f"first as {places[0]}"
    more = f" and {len(places) - _MAX_PLACES:,} more" if len(places) > _MAX_PLACES else ""
    return f"annotated as {', '.join(places[:_MAX_PLACES])}{more}"


def _best_files(records: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """Return rank, reason, detail, source_dir, source and source_bytes of the best file of each record.

    Good files first, then the order of the source folders; within one, the record's own split folder.
    """
    found = _candidates(records, files)
    order = ["row", "rank", "source_rank", "other_split", "source"]
    best = found.sort_values(order).drop_duplicates("row").set_index("row")
    best["detail"] = _file_details(best)
    useless = best["rank"] == _USELESS
    best.loc[useless, ["source_dir", "source"]] = ""
    best.loc[useless, "source_bytes"] = 0
    best = best[list(_NO_FILE)].reindex(records.index).fillna(_NO_FILE)
    return best.astype({name: type(value).__name__ for name, value in _NO_FILE.items()})


def _candidates(records: pd.DataFrame, files: pd.DataFrame) -> pd.DataFrame:
    """Return every pair of a record and a file of its id, with rank and reason."""
    own_id = "source_id" if "source_id" in records else "video_id"
    wanted = records[["split", own_id, "class"]].rename(columns={own_id: "video_id"})
    found = wanted.reset_index(names="row").merge(files, on="video_id")
    empty = found["source_bytes"] == 0
    astray = (found["folder_class"] != "") & (found["folder_class"] != found["class"])
    found["rank"] = np.select([found["fault"] != "", empty | astray], [_USELESS, _REJECTED], _USABLE)
    found["reason"] = np.select([found["rank"] != _REJECTED, empty], ["", "zero_bytes"], "wrong_folder")
    found["other_split"] = (found["folder_split"] != "") & (found["folder_split"] != found["split"])
    return found


def _file_details(best: pd.DataFrame) -> pd.Series:
    texts = {
        "zero_bytes": best["source"] + " is empty",
        "wrong_folder": best["source"] + " lies in the folder of '" + best["folder_class"] + "'",
    }
    detail = ("only " + best["fault"] + ": " + best["source"]).where(best["fault"] != "", "")
    for reason, text in texts.items():
        detail = detail.where(best["reason"] != reason, text)
    return detail
