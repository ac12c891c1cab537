"""The examples of docs/other-trainers.md, docs/loader.md and docs/published-loading.md run as they stand."""

import gc
import re

import pytest

from tests.helpers.paths import REPOSITORY
from vidprep.load import decode_clip

TEXT = (REPOSITORY / "docs/other-trainers.md").read_text()
# What comes below is run by tests/conformance.
TEXT = TEXT.partition("## Other readers")[0]
TEXT += "".join((REPOSITORY / "docs" / page).read_text() for page in ("loader.md", "published-loading.md"))
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_all_examples_are_found():
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize("code", EXAMPLES, ids=range(len(EXAMPLES)))
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
# webdataset leaves its tars to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_example(code, shards):
    names = {"SHARDS": str(shards)}
    exec(compile(code, "other-trainers.md", "exec"), names)
    if "seen" in names:
        assert len(names["seen"]) == 7
    if "sample" in names:
        assert names["sample"]["video"].shape[-4:] == (8, 224, 224, 3)
    if "clips" in names and "batch" in names:
        assert tuple(names["clips"].shape[1:]) == (3, 8, 224, 224)
    if "recipe" in names:
        assert names["video"].shape == (8, 3, 16, 224, 224) and names["target"].shape == (8, 400)
    elif "target" in names:
        assert names["target"].shape == (4, 4)
    names.clear()
    gc.collect()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_webdataset_example_shows_other_clips_in_each_epoch(shards, monkeypatch):
    clips = []

    def noted(sample, **options):
        clip = decode_clip(sample, **options)
        clips.append((clip["__key__"], *clip["frame_indices"].tolist()))
        return clip

    monkeypatch.setattr("vidprep.load.decode_clip", noted)
    (code,) = (code for code in EXAMPLES if "decode_clip" in code)
    exec(compile(code, "other-trainers.md", "exec"), {"SHARDS": str(shards)})
    first, second = (set(clips[:26]), set(clips[26:]))
    assert len(first) == len(second) == 26
    assert len(first & second) < 13
    gc.collect()
