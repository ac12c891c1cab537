"""Who is in the dataset, with which label, and where is the video? Annotation lists meet source folders."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.datasets.counts import audit as audit

__all__ = ["audit"]


def __getattr__(name: str) -> Any:
    # On demand: it brings pandas.
    if name != "audit":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.datasets.counts import audit

    return audit
