"""Temporal filters of a network: which temporal patterns its kernels respond to."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.analysis.filters.run import analyse_filters as analyse_filters

__all__ = ["analyse_filters"]


def __getattr__(name: str) -> Any:
    # On demand: it brings torch and matplotlib.
    if name != "analyse_filters":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.analysis.filters.run import analyse_filters

    return analyse_filters
