"""The report: one HTML page on shard sets, runs, evaluations and analyses.

find.py          which of these a folder is or holds
writing.py       folders -> a page on the disk
page.py          all sections -> one self-contained page
sections/        the parts of the page, one module each
drawing/         numbers and frames to SVG and images
words.py         numbers and values as people read them
templates/       the HTML and its one style sheet
"""

from typing import TYPE_CHECKING

from vidprep.lazy_names import lazy_names

if TYPE_CHECKING:
    from vidprep.report.writing import write_report as write_report

__all__ = ["write_report"]
# It brings jinja2, pyarrow and PyAV.
__getattr__, __dir__ = lazy_names(__name__, {"write_report": "vidprep.report.writing"})
