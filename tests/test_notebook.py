"""The notebook among the examples runs as it stands, and shows what is stored in it."""

import json

from tests.helpers.paths import RELEASE_0_1, REPOSITORY
from tests.helpers.programs.notebooks import run_notebook

NOTEBOOK = REPOSITORY / "examples/see_clips.ipynb"


def test_the_notebook_runs(tmp_path, monkeypatch):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/motion").symlink_to(RELEASE_0_1 / "shards")
    monkeypatch.chdir(tmp_path)
    shown = run_notebook(NOTEBOOK, {})
    assert sum(html.startswith('<img src="data:image/webp;base64,') for html in shown) == 3
    assert (tmp_path / "clips.gif").stat().st_size > 1000


def test_the_notebook_was_run():
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    pictures = [output for cell in cells for output in cell["outputs"] if "text/html" in output["data"]]
    assert len(pictures) == 3
