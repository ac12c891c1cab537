"""Which videos a dataset has, with which label, and which file is whose: annotation lists meet folders."""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.datasets.audit_counts import audit as audit

__all__ = ["audit"]
# It brings pandas.
__getattr__, __dir__ = lazy_names(__name__, {"audit": "vidprep.datasets.audit_counts"})
