"""The passport of raw videos: what a build would use, and what it shows, without a build."""

import json
import shutil

import pytest
from typer.testing import CliRunner

import vidprep
from tests.helpers.raw_videos.raw_k400 import SMALL, Raw
from tests.helpers.raw_videos.videos import numbered_video, run_ffmpeg
from vidprep.cli.main import app
from vidprep.errors import SourceError
from vidprep.shards.passports.content_hash import SAME_CONTENT_BITS

OVERRIDES = SMALL[1::2]


def make(raw, path, **options):
    return vidprep.passport_of_raw("mini_k400", path, sources=[raw.folder], overrides=OVERRIDES, **options)


@pytest.fixture(scope="module")
def made(dozen, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "raw.parquet"
    return make(dozen, path), path


def test_it_is_about_the_videos_that_a_build_stores(made, reference):
    found = vidprep.compare(made[1], reference)
    assert found.counts().to_dict() == {"train": {"same_content": 10}, "validation": {"same_content": 3}}
    assert found.rows["differing_bits"].max() <= SAME_CONTENT_BITS // 2
    assert (found.rows["num_frames_first"] == found.rows["num_frames_second"]).all()
    assert found.same_annotation and found.recipe_differences == ()


def test_nothing_is_stored_and_no_path_is_told(made, dozen):
    passport, path = made
    assert passport.rows["mp4_crc32"].isna().all() and passport.head.tools == {}
    assert str(dozen.folder).encode() not in path.read_bytes()
    assert sorted(one.name for one in path.parent.iterdir()) == ["raw.parquet"]


def test_the_number_of_workers_changes_no_byte(made, dozen, tmp_path):
    make(dozen, tmp_path / "raw.parquet", workers=1)
    assert (tmp_path / "raw.parquet").read_bytes() == made[1].read_bytes()


def test_it_goes_on_where_it_was_stopped(made, dozen, tmp_path):
    path, seen = tmp_path / "raw.parquet", []

    def stop_at_five(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(vidprep.VidprepError, match=r"Stopped\. What is known of 5 videos is kept in"):
        make(dozen, path, on_video=stop_at_five, workers=1)
    progress = path.with_name("raw.parquet.progress.jsonl")
    lines = progress.read_text().splitlines()
    assert len(lines) == 6 and not path.exists()
    known = json.loads(lines[1]) | {"num_frames": 77}  # what is known already is not looked at again
    progress.write_text("\n".join([lines[0], json.dumps(known), *lines[2:], '{"key": "cut o']))
    passport = make(dozen, path, on_video=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (13, 13)
    assert sorted(passport.rows["num_frames"])[-1] == 77
    progress.write_text("\n".join(["other settings", *lines[1:]]))
    make(dozen, path)
    assert path.read_bytes() == made[1].read_bytes()


def test_rejected_and_missing_videos_have_the_reasons_of_a_build(tmp_path):
    raw = Raw(tmp_path / "raw")
    raw.add("good")
    raw.add("gone", write=False)
    raw.add("short", num_frames=1)
    raw.add("noise").write_bytes(b"no video at all" * 100)
    raw.add("empty").write_bytes(b"")
    passport = make(raw, tmp_path / "p.parquet")
    rows = passport.rows.set_index("video_id")
    found = {name.split("_")[0]: (row["status"], row["reason"]) for name, row in rows.iterrows()}
    assert found == {
        "good": ("used", ""),
        "gone": ("missing", ""),
        "short": ("used", ""),
        "noise": ("rejected", "unreadable"),
        "empty": ("rejected", "zero_bytes"),
    }
    total = passport.head.totals["train"]
    assert (total.annotated, total.used, total.missing, total.rejected) == (5, 2, 1, 2)


def test_a_rotated_video_has_the_fingerprint_of_its_upright_copy(tmp_path):
    """Players turn the raw one; a build stores it turned."""
    raw = Raw(tmp_path / "raw")
    numbered_video(tmp_path / "level.mp4", 8, width=64, height=48)
    path = raw.add("turned", write=False)
    path.parent.mkdir(parents=True)
    run_ffmpeg("-display_rotation", 90, "-i", tmp_path / "level.mp4", "-c", "copy", path)
    make(raw, tmp_path / "raw.parquet")
    for mode in ("encode", "copy"):
        overrides = [*OVERRIDES, f"transcode.mode={mode}"]
        vidprep.build(
            "mini_k400", tmp_path / mode, sources=[raw.folder], overrides=overrides, in_process=True
        )
        vidprep.passport(tmp_path / mode, tmp_path / "set.parquet")
        found = vidprep.compare(tmp_path / "raw.parquet", tmp_path / "set.parquet")
        assert found.rows["differing_bits"].max() <= SAME_CONTENT_BITS // 2


def test_from_the_command_line(made, dozen, tmp_path):
    out = tmp_path / "p.parquet"
    words = ["passport", "mini_k400", "--source", dozen.folder, "--annotations", dozen.folder, "--out", out]
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0 and "train 10 of 10, validation 3 of 3 videos used" in done.output
    words = ["passport", "mini_k400", "--annotations", str(dozen.folder)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "give --source DIR, too" in " ".join(done.output.split())


def test_a_folder_without_videos(dozen, tmp_path):
    shutil.copytree(dozen.folder / "annotations", tmp_path / "raw/annotations")
    with pytest.raises(SourceError, match=r"No Kinetics-400 videos"):
        make(Raw(tmp_path / "raw"), tmp_path / "p.parquet")
    assert not list(tmp_path.glob("p.parquet*"))
