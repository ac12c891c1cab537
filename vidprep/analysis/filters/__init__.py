"""Temporal filters of a network: which temporal patterns its kernels respond to."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.analysis.filters.run import analyse_filters as analyse_filters

__all__ = ["analyse_filters"]
# It brings torch and matplotlib.
__getattr__, __dir__ = lazy_names(__name__, {"analyse_filters": "vidprep.analysis.filters.run"})
