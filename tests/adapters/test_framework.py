"""A framework that is missing or too old is said with what to install."""

import pytest

from vidprep.adapters.framework import import_framework
from vidprep.adapters.mmaction2 import register
from vidprep.errors import ToolError


def test_a_framework_that_is_there():
    numpy = import_framework("numpy", package="numpy", at_least="1.20", needed_for="a test")
    assert numpy.zeros(1) == 0


@pytest.mark.parametrize(
    ("package", "at_least", "message"),
    [
        (
            "no-such-framework",
            "2.0",
            r'which is not installed\. Install it: pip install "no-such-framework>=2\.0"',
        ),
        ("numpy", "99.1", "needs numpy 99.1 or newer, .* is installed"),
    ],
)
def test_what_is_missing_or_too_old(package, at_least, message):
    with pytest.raises(ToolError, match=message):
        import_framework("numpy", package=package, at_least=at_least, needed_for="a test")


def test_what_does_not_import():
    with pytest.raises(ToolError, match=r"numpy .* does not import here: No module named 'numpy.nothing'"):
        import_framework("numpy.nothing", package="numpy", at_least="1.0", needed_for="a test")


def test_adapters_say_what_they_need():
    """In this environment neither is installed; in that of `make conformance` both are used."""
    for module, use in {"mmaction": register, "lightning": _data_module}.items():
        try:
            __import__(module)
        except ImportError:
            with pytest.raises(ToolError, match="which is not installed"):
                use()


def _data_module():
    from vidprep.adapters.lightning import ShardDataModule

    return ShardDataModule
