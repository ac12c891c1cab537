"""Layouts of the other datasets: lists and files as published; the audit finds every video."""

import hashlib

import pytest
from typer.testing import CliRunner

import vidprep
from vidprep.cli.main import app
from vidprep.errors import SourceError
from vidprep.synth.dataset import write_official
from vidprep.synth.plan import OFFICIAL, Parameters, plan_videos

SMALL = {"num_classes": 2, "videos_per_class": 1, "validation_per_class": 1}


@pytest.mark.parametrize(
    ("name", "path", "lists"),
    [
        ("jester", "20bn-jester-v1/1/00024.jpg", "jester-v1-labels.csv"),
        ("hmdb51", "cartwheel/(Film)_No#1!_cartwheel_u_nm_np1_fr_med_0.avi", "cartwheel_test_split1.txt"),
        ("epic100", "P01/videos/P01_01.MP4", "EPIC_100_noun_classes.csv"),
        ("ucf101", "UCF-101/ApplyLipstick/v_ApplyLipstick_g08_c01.avi", "classInd.txt"),
    ],
)
def test_layouts(tmp_path, name, path, lists):
    assert not write_official(name, tmp_path, **SMALL).was_there
    assert (tmp_path / path).is_file() and (tmp_path / "annotations" / lists).is_file()
    found = vidprep.audit(name, sources=[tmp_path], annotations=[tmp_path / "annotations"])
    assert [(split.annotated, split.present) for split in found.splits] == [(2, 2), (2, 2)]
    assert write_official(name, tmp_path, **SMALL).was_there


def test_the_same_bytes_and_a_half_made_set_completed(tmp_path):
    options = ["--classes", 1, "--videos-per-class", 1, "--validation-per-class", 0, "--workers", 1]
    for folder in ("a", "b"):
        words = ["synth", "diving48", "--out", tmp_path / folder, *options]
        result = CliRunner().invoke(app, list(map(str, words)))
        assert "1 videos annotated, 0 of them broken; written" in result.output
    files = [next((tmp_path / folder).glob("rgb/*.mp4")).read_bytes() for folder in ("a", "b")]
    assert hashlib.sha256(files[0]).digest() == hashlib.sha256(files[1]).digest()


@pytest.mark.parametrize("name", OFFICIAL)
def test_ids_are_unique(name):
    videos = plan_videos(Parameters(name, 4, 9, 9))
    assert len({video.video_id for video in videos}) == len(videos) == 72
    files = len({video.path for video in videos})
    assert files == (18 if name == "epic100" else 72)


def test_what_cannot_be_made(tmp_path):
    with pytest.raises(
        ValueError, match="broken is for ssv2 and k400; videos of jester are made without defects"
    ):
        Parameters("jester", 2, 1, 1, broken=0.5)
    with pytest.raises(ValueError, match="number of jester classes whose motion can be drawn, got 99"):
        Parameters("jester", 99, 1, 1)
    with pytest.raises(ValueError, match=r"dataset must be one of .*jester.*, got 'imagenet'"):
        Parameters("imagenet", 2, 1, 1)
    (tmp_path / "own.txt").touch()
    with pytest.raises(SourceError, match="was not made by `vidprep synth`"):
        write_official("jester", tmp_path)
