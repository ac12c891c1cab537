"""The front door: what `import vidprep` offers, and what it does not load before it is used."""

import inspect
import subprocess
import sys

import pytest

import vidprep

NAMES = set(
    [
        "Augmentation",
        "Augmenter",
        "ShardSet",
        "ClipLoader",
        "ViewLoader",
        "ShardDataset",
        "LoaderOptions",
        "Batch",
        "TrainClip",
        "EvalViews",
        "DictOutput",
        "show",
        "to_network_input",
        "VidprepError",
        "build",
        "train",
        "evaluate",
        "audit",
        "verify",
        "plan_training",
        "write_report",
        "subset",
        "merge",
        "pull",
        "push",
        "explain",
        "index_tars",
        "rescore",
        "reproduce",
        "passport",
        "passport_of_raw",
        "compare",
        "compare_evaluations",
    ]
)


def in_new_process(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names_are_these():
    assert set(vidprep.__all__) == NAMES
    assert set(dir(vidprep)) >= NAMES


def test_every_name_is_there_and_documented():
    for name in NAMES:
        thing = getattr(vidprep, name)
        assert len(inspect.getdoc(thing)) > 40, name
        if inspect.isfunction(thing):
            parameters = inspect.signature(thing).parameters.values()
            assert all(parameter.annotation is not parameter.empty for parameter in parameters), name


def test_functions_that_take_videos_show_their_keywords():
    from vidprep.recipes.own_videos import VideoChoice, choose_videos

    keywords = [p for p in inspect.signature(choose_videos).parameters.values() if p.name != "recipe"]
    assert [keyword.name for keyword in keywords] == list(VideoChoice.__annotations__)
    for function in (vidprep.build, vidprep.audit, vidprep.passport_of_raw):
        shown = inspect.signature(function).parameters
        assert [shown[keyword.name] for keyword in keywords] == keywords
        assert "videos" not in shown


def test_a_mistyped_keyword_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'sorces'"):
        vidprep.audit("demo", sorces=["raw"])


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(vidprep, "build_everything")


def test_import_and_dir_load_nothing_heavy():
    code = (
        "import sys, vidprep; dir(vidprep); vidprep.VidprepError\n"
        "print([m for m in ('torch', 'dask', 'pandas', 'pyarrow', 'av', 'numpy') if m in sys.modules])"
    )
    assert in_new_process(code) == "[]"


def test_building_loads_no_torch_and_loading_no_dask():
    assert (
        in_new_process(
            "import sys, vidprep; vidprep.build, vidprep.audit, vidprep.verify\nprint('torch' in sys.modules)"
        )
        == "False"
    )
    assert (
        in_new_process("import sys, vidprep; vidprep.ClipLoader, vidprep.train\nprint('dask' in sys.modules)")
        == "False"
    )


def test_the_version_is_the_installed_one():
    from importlib.metadata import version

    assert vidprep.__version__ == version("vidprep")
