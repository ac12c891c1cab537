"""The official lists count what Table A counts, to the row."""

import pytest

from tests.datasets.test_audit import row_of, run
from tests.helpers.paths import REAL_DATA
from tests.helpers.raw_videos.small_datasets import k400_list, k400_row, put
from vidprep.datasets.audit_counts import audit_remarks, audit_splits
from vidprep.datasets.inventory import take_inventory
from vidprep.errors import AnnotationError
from vidprep.recipes.recipe import DatasetStage

LISTS_DIR = REAL_DATA / "annotations"

pytestmark = [
    pytest.mark.real_data,
    pytest.mark.skipif(not LISTS_DIR.is_dir(), reason="no real annotation lists in ../shared/data"),
]


@pytest.mark.parametrize(
    ("pipeline", "annotations", "annotated"),
    [
        ("ssv2", "ssv2", ["168,913", "24,777"]),
        ("mini_ssv2", "ssv2", ["81,663", "11,799"]),
        ("k400", "k400/validate_19877.csv", ["0", "19,877"]),
        ("mini_k400", "k400/validate_19877.csv", ["0", "9,934"]),
        ("k400", "k400/kinetics-400_val.csv", ["0", "19,906"]),
        ("mini_k400", "k400/kinetics-400_val.csv", ["0", "9,947"]),
        ("k400", "k400/train_subset_60000.csv.gz", ["60,000", "0"]),
        ("mini_k400", "k400/train_subset_60000.csv.gz", ["30,000", "0"]),
    ],
)
def test_audit_prints(pipeline, annotations, annotated):
    output = run(pipeline, "--annotations", LISTS_DIR / annotations)
    assert row_of(output, "annotated") == annotated
    assert row_of(output, "rejected") == ["0", "0"]


@pytest.mark.parametrize("subset", [None, "mini_ssv2"])
def test_something_agrees_with_table_a(subset):
    inventory = take_inventory(DatasetStage(name="ssv2", subset=subset), [], [str(LISTS_DIR / "ssv2")])
    assert [split.difference for split in audit_splits(inventory)] == [0, 0]
    assert audit_remarks(inventory) == []
    assert inventory.rows.groupby("label")["label_full"].nunique().eq(1).all()


def test_two_validation_lists_in_one_folder():
    with pytest.raises(AnnotationError, match=r"kinetics-400_val.csv and .*validate_19877.csv\. Pass the on"):
        take_inventory(DatasetStage(name="k400"), [], [str(LISTS_DIR / "k400")])


def test_real_videos_in_a_kinetics_folder(tmp_path):
    """Real files of every sort; each is present or rejected under the id that its name gives."""
    videos = sorted(path for path in (REAL_DATA / "videos").iterdir() if path.name != "README.md")
    assert len(videos) == 31
    rows = [k400_row("yoga", f"v{number}") for number in range(len(videos))]
    for number, path in enumerate(videos):
        put(tmp_path / f"v/val/yoga/v{number}_000001_000011{path.suffix}", path.read_bytes())
    lists = [k400_list(tmp_path / "val.csv", *rows)]
    rows = take_inventory(DatasetStage(name="k400"), [str(tmp_path / "v")], lists).rows
    assert rows["status"].value_counts().to_dict() == {"present": 30, "rejected": 1}
    assert rows["reason"].value_counts().to_dict() == {"": 30, "zero_bytes": 1}
