"""Effective receptive field of a network: how strongly each input position moves one neuron."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidprep.analysis.erf.run import analyse_erf as analyse_erf

__all__ = ["analyse_erf"]


def __getattr__(name: str) -> Any:
    # On demand: it brings torch and matplotlib.
    if name != "analyse_erf":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from vidprep.analysis.erf.run import analyse_erf

    return analyse_erf
