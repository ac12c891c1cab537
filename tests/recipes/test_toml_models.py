"""Messages about a TOML file name the line."""

import pytest

from vidprep.errors import RecipeError
from vidprep.recipes.manifests import read_dataset_file
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.resources import resource_dir
from vidprep.recipes.toml_models import line_of_key

TEXT = """\
name = "mine"   # a = b
counts.train = 3

[[lists]]
format = "csv"
[[lists]]
  "format" = "json"

[model]
depth = 18
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("name",), 1),
        (("counts", "train"), 2),
        (("lists", 0, "format"), 5),
        (("lists", 1, "format"), 7),
        (("lists", 1, "column"), 6),  # of its table
        (("model", "depth"), 10),
        (("model",), 9),
        (("other",), None),
        ((), None),
    ],
)
def test_line_of_a_key(key, line):
    assert line_of_key(TEXT, key) == line


def test_a_dataset_file_and_a_pipeline_name_their_line(tmp_path):
    text = (resource_dir("manifests") / "ucf101.toml").read_text()
    (tmp_path / "wrong.toml").write_text(text.replace("[videos]", "[videos]\nidd = 1"))
    line = text.splitlines().index("[videos]") + 2
    with pytest.raises(
        RecipeError, match=rf"wrong.toml, line {line}: unknown key 'videos.idd'. Did you mean"
    ):
        read_dataset_file(tmp_path / "wrong.toml")
    text = (resource_dir("pipelines") / "demo.toml").read_text()
    (tmp_path / "demo.toml").write_text(text.replace("crf = 20", "crf = 99"))
    line = text.splitlines().index("crf = 20") + 1
    with pytest.raises(RecipeError, match=rf"demo.toml, line {line}: transcode.crf: "):
        read_pipeline(str(tmp_path / "demo.toml"))
