"""A dataset file of one's own wherever the name of a dataset or a pipeline is taken."""

import pytest

import vidprep
from tests.helpers.programs.program import run_here
from tests.helpers.raw_videos.small_datasets import put_text
from tests.helpers.raw_videos.videos import numbered_video
from vidprep.errors import RecipeError
from vidprep.recipes.own_videos import write_pipeline_template, write_templates
from vidprep.recipes.pipelines import read_pipeline


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A dataset file, and beside it lists and three videos of two classes."""
    folder = tmp_path_factory.mktemp("mine")
    dataset, _ = write_templates("mine", folder)
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        numbered_video(folder / name, 6, width=64, height=48)
    put_text(folder / "train.csv", "path,label\na.mp4,x\nb.mp4,y\n")
    put_text(folder / "val.csv", "path,label\nc.mp4,y\n")
    return dataset


@pytest.mark.parametrize("words", [["--dataset", "FILE"], ["FILE"], ["demo", "--dataset", "FILE"]])
def test_audit_and_recipe(mine, words):
    words = [str(mine) if word == "FILE" else word for word in words]
    done = run_here("audit", *words, "--source", mine.parent)
    assert done.returncode == 0 and "mine, 2 classes" in done.stdout
    shown = run_here("pipelines", "show", *words, "--set", "transcode.crf=20").stdout
    assert ("crf = 20" in shown, 'list_names = "train.csv and val.csv"' in shown) == (True, True)
    assert ('name = "demo"' in shown.splitlines()) == (words[0] == "demo")


def test_a_passport_of_raw_videos_is_that_of_the_set(mine, tmp_path):
    made = tmp_path / "raw.parquet"
    words = ["--dataset", mine, "--source", mine.parent, "--out", made, "--set", "transcode.short_side=48"]
    done = run_here("passport", *words)
    assert "train 2 of 2, validation 1 of 1 videos used" in done.stdout
    settings = ["transcode.short_side=48"]
    vidprep.build(str(mine), tmp_path / "set", sources=[mine.parent], overrides=settings, in_process=True)
    found = vidprep.compare(made, tmp_path / "set")
    assert found.counts().to_dict() == {"train": {"same_content": 2}, "validation": {"same_content": 1}}
    assert found.same_annotation and found.same_classes and found.recipe_differences == ()
    again = vidprep.passport_of_raw(
        None, tmp_path / "b.parquet", dataset=mine, sources=[mine.parent], overrides=settings
    )
    assert (tmp_path / "b.parquet").read_bytes() == made.read_bytes() and len(again.rows) == 3


def test_a_passport_of_folders_and_of_nothing(tmp_path):
    (tmp_path / "v/x").mkdir(parents=True)
    numbered_video(tmp_path / "v/x/a.mp4", 6, width=64, height=48)
    done = run_here("passport", "--from-folders", tmp_path / "v", "--out", tmp_path / "p.parquet")
    assert "train 1 of 1" in done.stdout
    done = run_here("passport")
    assert done.returncode == 2 and "give a shard set, or videos with --source" in done.stderr


def test_the_network(mine):
    small = ["--set", "model.factory=tests.helpers.runs.own_network:doubled", "--set", "model.width=4"]
    done = run_here("model", "--dataset", mine, *small)
    assert done.returncode == 2 and "mine takes its classes from its lists; say how" in done.stderr
    assert '"num_classes": 2' in run_here("model", mine, "--classes", 2, *small, "--json").stdout
    named = mine.with_name("named.toml")
    named.write_text(mine.read_text() + '[labels]\nclasses = ["x", "y", "z"]\n')
    assert '"num_classes": 3' in run_here("model", "--dataset", named, *small, "--json").stdout


def test_shown_and_compared_with_another(mine):
    shown = [run_here("datasets", "show", *words).stdout for words in (["--dataset", mine], [mine])]
    assert shown[0] == shown[1] and 'name = "mine"' in shown[0]
    other = ["--against", mine, "--against-annotations", mine.parent / "val.csv"]
    done = run_here("audit", mine, "--annotations", mine.parent, *other)
    assert f"shared with {mine}: 1 samples of validation are in its validation" in done.stdout


def test_a_pipeline_for_a_dataset_file(mine, tmp_path):
    done = run_here("init", "ours", "--out", tmp_path / "new", "--dataset", mine)
    assert done.returncode == 0 and "ours_dataset.toml" not in done.stdout
    recipe = read_pipeline(str(tmp_path / "new/ours.toml"))
    assert (recipe.name, recipe.dataset.definition.name) == ("ours", "mine")
    with pytest.raises(RecipeError, match=r"ours.toml is there already"):
        write_pipeline_template("ours", tmp_path / "new", mine)
    with pytest.raises(RecipeError, match="No dataset file at"):
        write_pipeline_template("others", tmp_path, tmp_path / "none.toml")


def test_a_wrong_key_is_named_with_its_line(mine, tmp_path):
    wrong = put_text(tmp_path / "wrong.toml", mine.read_text().replace("any_order", "anyorder"))
    for words in (["audit", wrong], ["passport", "--dataset", wrong], ["model", wrong]):
        done = run_here(*words)
        assert done.returncode == 1
        assert "wrong.toml, line 27: unknown key 'lists.0.anyorder'" in done.stderr
        assert "at least 1 item" not in done.stderr  # which would only follow from it
