"""Effective receptive field (ERF) of a network: how strongly each input position influences one neuron."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.analysis.erf.run import analyse_erf as analyse_erf

__all__ = ["analyse_erf"]
# It brings torch and matplotlib.
__getattr__, __dir__ = lazy_names(__name__, {"analyse_erf": "vidprep.analysis.erf.run"})
