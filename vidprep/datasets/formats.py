"""The datasets whose files can be read."""

from vidprep.datasets import k400, ssv2

FORMATS = {"ssv2": ssv2.FORMAT, "k400": k400.FORMAT}
