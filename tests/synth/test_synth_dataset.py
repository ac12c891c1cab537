"""The files: official layout and formats, the same bytes every time, defects as truth.json says."""

import csv
import hashlib
import json
import re
import shutil
import subprocess
from fractions import Fraction

import av
import pytest
import typer
from typer.testing import CliRunner

from vidprep.cli.synth import synth
from vidprep.errors import SourceError, ToolError
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.manifests import read_dataset
from vidprep.recipes.pipelines import read_pipeline
from vidprep.shards.ledger import REASONS
from vidprep.synth.dataset import write_k400, write_ssv2
from vidprep.synth.encode import VideoFormat, write_tone
from vidprep.synth.motions import drawable_classes
from vidprep.synth.plan import DEFECTS, Parameters, plan_videos

SMALL = {"num_classes": 3, "videos_per_class": 2, "validation_per_class": 1}


@pytest.fixture(scope="module")
def ssv2(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("ssv2")
    write_ssv2(out_dir, **SMALL)
    return out_dir


@pytest.fixture(scope="module")
def k400(tmp_path_factory):
    out_dir = tmp_path_factory.mktemp("k400")
    write_k400(out_dir, **SMALL)
    return out_dir


def test_ssv2_annotation(ssv2):
    labels, train, validation = (
        json.loads((ssv2 / f"annotations/something-something-v2-{name}.json").read_text())
        for name in ("labels", "train", "validation")
    )
    assert labels == {name: str(i) for i, name in enumerate(read_dataset("ssv2").labels.classes)}
    assert (len(train), len(validation)) == (6, 3)
    for row in train + validation:
        assert list(row) == ["id", "label", "template", "placeholders"]
        assert re.sub(r"[\[\]]", "", row["template"]) in drawable_classes("ssv2")[:3]
        assert row["template"].count("[something]") == len(row["placeholders"]) == 1
        assert row["placeholders"][0] in row["label"]
    on_disk = {path.name for path in (ssv2 / "videos").iterdir()}
    assert on_disk == {f"{row['id']}.webm" for row in train + validation}
    assert len(on_disk) == 9


def test_ssv2_videos(ssv2):
    lengths = []
    for path in (ssv2 / "videos").iterdir():
        with av.open(str(path)) as container:
            assert [stream.type for stream in container.streams] == ["video"]
            stream = container.streams.video[0]
            assert "vp9" in stream.codec_context.name
            assert (stream.width, stream.height) == (427, 240)
            assert stream.average_rate == 12
            lengths.append(sum(1 for _ in container.decode(video=0)))
    assert len(lengths) == 9
    assert all(24 <= length <= 72 for length in lengths)


def test_smaller_frames_are_another_dataset(tmp_path):
    one = {"num_classes": 1, "videos_per_class": 1, "validation_per_class": 0}
    write_ssv2(tmp_path, **one, short_side=120)
    (path,) = (tmp_path / "videos").iterdir()
    with av.open(str(path)) as container:
        assert (container.streams.video[0].width, container.streams.video[0].height) == (213, 120)
    with pytest.raises(SourceError, match=r"was made with short_side 120 \(now None\)"):
        write_ssv2(tmp_path, **one)


def test_a_folder_of_release_0_1_is_complete(tmp_path, ssv2):
    """Its record knows no short_side."""
    shutil.copytree(ssv2, tmp_path, dirs_exist_ok=True)
    record = json.loads((tmp_path / "synth.json").read_text())
    del record["short_side"]
    (tmp_path / "synth.json").write_text(json.dumps(record))
    assert write_ssv2(tmp_path, **SMALL).was_there


def test_k400_annotation(k400):
    num_rows = 0
    for name, folder in {"train": "train", "validate": "val"}.items():
        with (k400 / f"annotations/{name}.csv").open(newline="") as file:
            reader = csv.DictReader(file)
            assert reader.fieldnames == ["label", "youtube_id", "time_start", "time_end", "split"]
            for row in reader:
                start, end = int(row["time_start"]), int(row["time_end"])
                assert (row["split"], end - start, len(row["youtube_id"])) == (name, 10, 11)
                assert (
                    k400 / folder / row["label"] / f"{row['youtube_id']}_{start:06d}_{end:06d}.mp4"
                ).is_file()
                num_rows += 1
    assert num_rows == len(list(k400.glob("*/*/*.mp4"))) == 9


def test_k400_videos(k400):
    seen = set()
    for path in k400.glob("*/*/*.mp4"):
        with av.open(str(path)) as container:
            assert [stream.codec_context.name for stream in container.streams] == ["h264", "aac"]
            stream = container.streams.video[0]
            assert 4 <= sum(1 for _ in container.decode(video=0)) / stream.average_rate <= 10.1
            seen.add((stream.width, stream.height, stream.average_rate))
    assert len(seen) > 5


def test_anamorphic_and_portrait_videos_are_drawn_with_square_pixels():
    assert VideoFormat(340, 256, Fraction(25), Fraction(64, 51)).drawn_size == (200, 120)
    assert VideoFormat(240, 426, Fraction(25)).drawn_size == (120, 213)


def test_youtube_ids():
    ids = [video.video_id[:-14] for video in plan_videos(Parameters("k400", 10, 8, 2))]
    assert len(set(ids)) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{11}", youtube_id) for youtube_id in ids)
    assert sum(youtube_id.startswith("-") for youtube_id in ids) >= 10
    assert sum(youtube_id.startswith("__") for youtube_id in ids) >= 10


@pytest.mark.parametrize(("write", "made"), [(write_ssv2, "ssv2"), (write_k400, "k400")])
def test_same_bytes_whatever_the_number_of_workers(write, made, tmp_path, request):
    write(tmp_path / "again", **SMALL, num_workers=1)
    assert _digests(tmp_path / "again") == _digests(request.getfixturevalue(made))


def test_another_seed_makes_other_videos():
    plans = [plan_videos(Parameters("ssv2", 3, 2, 1, seed=seed)) for seed in (0, 1)]
    assert not {video.video_id for video in plans[0]} & {video.video_id for video in plans[1]}


@pytest.mark.parametrize(("write", "dataset"), [(write_ssv2, "ssv2"), (write_k400, "k400")])
def test_defects_are_what_the_truth_says(write, dataset, tmp_path):
    written = write(tmp_path, num_classes=3, videos_per_class=3, validation_per_class=1, broken=1.0)
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert len(truth) == written.num_broken == written.num_videos == 12
    assert {row["defect"] for row in truth} == set(DEFECTS[dataset])
    for row in truth:
        assert row["expected"] in {*REASONS, "used", "missing"}
        assert row["expected"] == DEFECTS[dataset][row["defect"]]
        assert _verdict(tmp_path / row["path"]) == row["expected"], row


def test_broken_share_is_rounded_up_and_zero_is_none(ssv2):
    assert json.loads((ssv2 / "truth.json").read_text()) == []
    for broken, expected in {0.0: 0, 0.01: 1, 0.5: 5, 1.0: 9}.items():
        videos = plan_videos(Parameters("ssv2", 3, 2, 1, broken=broken))
        assert sum(bool(video.defect) for video in videos) == expected


def test_complete_folder_is_left_alone(ssv2):
    before = {path: path.stat().st_mtime_ns for path in ssv2.rglob("*")}
    assert write_ssv2(ssv2, **SMALL).was_there
    assert {path: path.stat().st_mtime_ns for path in ssv2.rglob("*")} == before


def test_half_made_folder_is_completed(tmp_path, ssv2):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_ssv2(tmp_path, **SMALL, on_progress=stop)
    assert json.loads((tmp_path / "synth.json").read_text())["complete"] is False
    assert not (tmp_path / "truth.json").exists()
    assert not write_ssv2(tmp_path, **SMALL).was_there
    assert _digests(tmp_path) == _digests(ssv2)


def test_folder_of_other_parameters_is_refused(ssv2):
    with pytest.raises(SourceError, match=r"was made with seed 0 \(now 5\)\. Choose a new folder"):
        write_ssv2(ssv2, **SMALL, seed=5)
    with pytest.raises(SourceError, match=r"was made with dataset ssv2 \(now k400\)"):
        write_k400(ssv2, **SMALL)


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(SourceError, match=r"is not empty and was not made by `vidprep synth`"):
        write_ssv2(tmp_path)
    with pytest.raises(SourceError, match=r"thesis.txt is a file"):
        write_ssv2(tmp_path / "thesis.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 19}, "num_classes must be 1 to 18, the number of ssv2 classes .* got 19"),
        ({"videos_per_class": 0}, "videos_per_class must be at least 1"),
        ({"broken": 1.5}, "broken must be a share from 0 to 1, got 1.5"),
        ({"short_side": 31}, "short_side must be 32 to 1080 pixels, got 31"),
    ],
)
def test_wrong_argument(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_ssv2(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_ffmpeg_that_fails_says_why(tmp_path):
    with pytest.raises(ToolError, match=r"could not write .*no/such/x.webm: .*No such file or directory"):
        write_tone(
            tmp_path / "no/such/x.webm", Fraction(1), tone_hz=440, container="webm", ffmpeg=find_ffmpeg()
        )


def test_demo_pipeline_has_the_default_classes():
    assert sorted(read_pipeline("demo").dataset.classes) == sorted(drawable_classes("ssv2")[:12])


def test_command_line(tmp_path):
    app = typer.Typer()
    app.command()(synth)
    arguments = ["ssv2", "--out", str(tmp_path / "x"), "--classes", "1", "--videos-per-class", "1"]
    first = CliRunner().invoke(app, [*arguments, "--broken", "0.3"])
    assert first.exit_code == 0
    assert first.stdout.strip().endswith("x: 3 videos annotated, 1 of them broken; written.")
    assert "3 of 3 videos" in first.stderr
    assert "left as it is" in CliRunner().invoke(app, [*arguments, "--broken", "0.3"]).stdout
    wrong = CliRunner().invoke(app, ["k400", "--out", str(tmp_path / "y"), "--classes", "99"])
    assert wrong.exit_code == 2
    assert "1 to 14" in wrong.stderr
    sized = CliRunner().invoke(app, ["k400", "--out", str(tmp_path / "y"), "--short-side", "120"])
    assert sized.exit_code == 2
    assert "k400's videos are of other sizes, as" in sized.stderr


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) > 9
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _verdict(path):
    """Judge a file by what FFmpeg says of it."""
    if not path.exists():
        return "missing"
    if not path.stat().st_size:
        return "zero_bytes"
    command = [find_ffmpeg(), "-hide_banner", "-loglevel", "repeat+level+verbose", "-i", str(path)]
    done = subprocess.run([*command, "-map", "0:v:0", "-f", "null", "-"], capture_output=True, text=True)
    if "moov atom not found" in done.stderr:
        return "unreadable"
    if "matches no streams" in done.stderr:
        return "no_video_stream"
    num_frames = int(re.search(r"(\d+) frames decoded", done.stderr)[1])
    if "File ended prematurely" in done.stderr or "partial file" in done.stderr:
        assert num_frames > 1
        return "partial"
    assert num_frames == 1
    return "used"
