"""A workplace with one of everything, made once; do not change it."""

import pytest

from tests.helpers.runs.report_material import write_analysis, write_evaluation, write_run, write_shards


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """shards/, runs/first, runs/second, evals/first (inside the run), analysis/erf."""
    root = tmp_path_factory.mktemp("work")
    write_shards(root / "shards", tmp_path_factory.mktemp("encode"))
    write_run(root / "runs" / "first")
    write_run(root / "runs" / "second", lr=0.02)
    write_evaluation(root / "runs" / "first" / "eval", root / "shards", wrong=(0, 3, 4))
    write_analysis(root / "analysis" / "erf")
    return root
