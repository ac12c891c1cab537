"""A finished set of which four videos came later, and the same set extended by them."""

import shutil
from types import SimpleNamespace

import pytest

from tests.helpers.raw_videos.extensions import build, raw_videos


@pytest.fixture(scope="session")
def gaps(tmp_path_factory):
    """A set that lacks four videos, and where they are now; do not change it."""
    folder = tmp_path_factory.mktemp("gaps")
    raw, late = raw_videos(folder)
    build(raw, folder / "set")
    return SimpleNamespace(raw=raw, late=late, out=folder / "set")


@pytest.fixture(scope="session")
def extended(gaps, tmp_path_factory):
    """The same set with its gaps filled; do not change it."""
    out = tmp_path_factory.mktemp("extended") / "set"
    shutil.copytree(gaps.out, out)
    result = build(gaps.raw, out, gaps.late, extend=True)
    return SimpleNamespace(raw=gaps.raw, late=gaps.late, out=out, result=result, before=gaps.out)


@pytest.fixture
def copy(tmp_path):
    """Return what makes a copy of a set that may be changed."""

    def make(out):
        return shutil.copytree(out, tmp_path / "set")

    return make
