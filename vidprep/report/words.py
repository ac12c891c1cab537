"""Numbers and values as people read them."""

from datetime import datetime
from typing import Any

from vidprep.durations import format_seconds

# How the frames of the clips were rearranged, by name of the probe.
PROBES = {"frozen": "clips frozen", "shuffled": "frames shuffled", "reversed": "time reversed"}


def count(value: float) -> str:
    """Return a whole number with its thousands separated."""
    return f"{value:,.0f}"


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share of 1 as a percentage; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def size(num_bytes: float) -> str:
    """Return a number of bytes in a fitting decimal unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        value = num_bytes / factor
        if value >= 0.9995:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"
    return f"{num_bytes:.0f} B"


def seconds(value: float) -> str:
    """Return a duration: "4.17 s", "3 min 20 s", "5 h 7 min"."""
    return f"{value:.3g} s" if round(value) < 60 else format_seconds(value)


def number(value: float | None, digits: int = 4) -> str:
    """Return a measured number with some significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:,.{digits}g}"


def moment(when: datetime) -> str:
    """Return a date and a time of day."""
    return when.strftime("%Y-%m-%d %H:%M %Z").strip()


def flat(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return nested JSON as (dotted name, text) pairs, so that any file of facts can be shown.

    Lists of plain values become one text; lists of others are numbered from 1.
    """
    if isinstance(value, dict):
        return [
            pair for key, each in value.items() for pair in flat(each, f"{name}.{key}" if name else str(key))
        ]
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return [pair for at, each in enumerate(value, start=1) for pair in flat(each, f"{name} {at}")]
    return [(name, _plain(value))]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        shown = ", ".join(_plain(each) for each in value[:20])
        return shown + (f", … ({len(value):,} in all)" if len(value) > 20 else "")
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.6g}" if isinstance(value, float) else str(value)
