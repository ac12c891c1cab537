"""Every dataset from its lists to a training step, by a wheel that is installed outside the repository."""

import os
import subprocess
import sys

import pytest

from tests.helpers.paths import REPOSITORY

# 12 training videos, or parts of videos, of three classes; one optimiser step over all of them.
ROAD = """
import sys
from pathlib import Path

import pyarrow.parquet as pq

import vidprep
from vidprep.recipes.own_videos import write_templates
from vidprep.synth.dataset import write_k400, write_official, write_ssv2

name, site = sys.argv[1:]
assert vidprep.__file__.startswith(site), vidprep.__file__
size = {"num_classes": 3, "videos_per_class": 4, "validation_per_class": 2}
special = {"k400": write_k400, "ssv2": write_ssv2}
if name in special:
    special[name](Path("raw"), **size)
else:
    write_official(name, Path("raw"), **size)
write_templates("mine", Path("."))
where = {"sources": ["raw"], "annotations": ["raw/annotations"]}
audit = vidprep.audit(name, **where)
print({split.split: (split.annotated, split.present, split.rejected) for split in audit.splits})
small = ["transcode.short_side=64", "train_clip.clip_len=4", "train_clip.crop_size=48", "model.depth=18"]
small += ["model.width=8", "optimisation.batch_size=12", "optimisation.epochs=1"]
result = vidprep.build(name, "shards", **where, overrides=small, in_process=True)
assert [result.manifest.totals[split].used for split in ("train", "validation")] == [12, 6]
assert not vidprep.verify("shards").problems
clip = result.manifest.recipe.train_clip
batch = next(iter(vidprep.ClipLoader("shards", "train", clip=clip, batch_size=3)))
assert len(batch.key) == 3
index = pq.read_table("shards/index.parquet").to_pylist()
trained = vidprep.train("shards", "run", device="cpu")
print(len(index), sorted({row["class"] for row in index}), trained.total_steps, sorted(index[0])[:2])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder with the wheel installed, and nothing of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheel = ["wheel", "--no-deps", "-w", str(folder), str(REPOSITORY)]
    subprocess.run([*pip, *wheel], check=True)
    (built,) = folder.glob("vidprep-*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", str(folder / "site"), str(built)], check=True)
    return folder / "site"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ssv2", "k400", "ucf101", "hmdb51", "diving48", "jester", "epic100", "k600", "k700"]
)
def test_from_lists_to_a_training_step(site, tmp_path, name):
    environment = os.environ | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", ROAD, name, str(site)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    counted, trained = done.stdout.strip().splitlines()[-2:]
    assert counted == "{'train': (12, 12, 0), 'validation': (6, 6, 0)}"
    assert trained.startswith("18 [")
    assert ("class_noun" in trained) == (name == "epic100")
