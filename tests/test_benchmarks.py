"""Benchmarks run small: hours of a GPU are not for finding typos; and faults of a few minutes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.helpers.raw_videos.videos import run_ffmpeg

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
RESULTS = Path("benchmarks/RESULTS.md")
TINY = "--depth 18 --width 2 --frames 2 --size 32 --batch 2 --rounds 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the made-up videos lie."""
    return tmp_path_factory.mktemp("bench")


def run(script, folder, *words, results="-"):
    places = ["--folder", str(folder), "--results", str(results)]
    command = [sys.executable, f"benchmarks/{script}.py", *words, *places]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="on a GPU it measures, for minutes")
def test_gpu_benchmark_without_a_gpu(folder, tmp_path):
    networks = ("channels_last_3d", "contiguous, compiled")
    results = tmp_path / "RESULTS.md"
    results.write_bytes(RESULTS.read_bytes())
    text = run("gpu", folder, "--rounds", "2", "--networks", *networks, results=results)
    assert "these figures mean nothing" in text
    assert results.read_bytes() == RESULTS.read_bytes()  # figures of a CPU are not written
    rows = {
        line.split("|")[1].strip(): line.split("|")[2:-1] for line in text.splitlines() if line[:2] == "| "
    }
    assert set(rows) == {"network", *networks}
    rate, share, through, fraction, peak = (cell.strip() for cell in rows["channels_last_3d"])
    assert float(rate) > 0 and float(through) > 0 and float(share.rstrip("%")) > 0
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+; 2 rounds\)", fraction)
    assert peak == "-"  # memory of a GPU
    assert float(rows["contiguous, compiled"][0]) > 0
    assert re.search(r"Evaluation, .*: [\d.]+ views/s", text)
    assert "Copies to the device: 6 of 6 batches the same to the bit" in text
    assert float(re.search(r"gloo over one rank: gradients ([\d.e+-]+) of", text)[1]) < 1e-4
    assert re.search(r"3D convolution in bfloat16, .*: [\d.]+% of the largest value off float32", text)
    assert "| contiguous: left out, it would not have ended in time. | | | | | |" in (
        run("gpu", folder, "--minutes", "0", "--networks", "contiguous")
    )


ON_A_GPU = """
import sys
from tests.helpers.runs.fake_gpu import fake_gpu
sys.path.insert(0, "benchmarks")
with fake_gpu():
    import gpu
    from parts import gpu_checks, steps
    gpu.TRAIN = gpu.VIEWS = steps.Size(18, 4, 4, 64, 2)
    gpu.MATRIX_SIDE, gpu.STEPS, gpu.LEAD = 64, 1, 1
    gpu_checks.BACKEND, gpu_checks.MOVED_BYTES = "gloo", 1 << 16
    gpu_checks.CONVOLUTION = {"channels": 2, "frames": (4,), "size": 4}
    gpu_checks.DistributedDataParallel = lambda net, device_ids: net
    gpu.main()
"""


def test_gpu_benchmark_with_a_gpu_of_make_believe(folder, tmp_path):
    """What runs on a GPU only, and what is written then: its own section, line by line."""
    results = tmp_path / "RESULTS.md"
    results.write_text(
        "# Results\n\n## GPU (`benchmarks/gpu.py`)\n\nNot measured yet.\n\n## Other\n\nstays\n"
    )
    words = ["--folder", str(folder), "--results", str(results), "--rounds", "2"]
    command = [sys.executable, "-c", ON_A_GPU, *words, "--networks", "channels_last_3d", "contiguous"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = results.read_text()
    assert text.startswith("# Results\n\n## GPU (`benchmarks/gpu.py`)\n\n### ")
    assert text.endswith("|\n\n## Other\n\nstays\n")
    assert "Make-believe GPU" in text and "Not measured yet" not in text and "mean nothing" not in text
    assert "6 of 6 batches the same to the bit" in text and "GB/s pinned" in text
    assert len(re.findall(r"^\| [a-z_3]+ \| [\d.]+ \|.* \| 0\.0 \|$", text, re.M)) == 2
    assert "Error" not in text and "left out" not in text


@pytest.mark.parametrize(
    ("what", "result"),
    [
        ("step", r"\*\*harness / bare\*\*, goal at most 1\.05 \| [\d.]+ \([\d.]+ to [\d.]+\)"),
        ("layouts", r"\| channels_last_3d \| [\d.]+ \([\d.]+ to [\d.]+\) \| 1\.00"),
        ("profile", r"\| convolutions, backward \| [\d.]+% \|(.|\n)*SGD alone, of a step: 0\."),
    ],
)
def test_cpu_benchmark(what, result, folder):
    assert re.search(result, run("harness", folder, what, *TINY.split()))


def test_faults_in_short():
    """Damaged files of every kind, interrupted trainings and builds: everything is as it should be."""
    command = [sys.executable, "-m", "benchmarks.faults", "--short"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 25


def test_parts_of_a_long_video():
    words = "benchmarks/segments.py --hours 0.05 --segments 4 --rounds 1 --results -"
    done = subprocess.run([sys.executable, *words.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| all 4 parts \| [\d.]+ \(.+\) \| [\d.]+ \(.+\) \|$", done.stdout, re.MULTILINE)


def test_the_quick_benchmark_writes_its_tables_and_charts(folder, tmp_path):
    """One short round on one small video: every table, every chart, and what it ran on."""
    results, videos, charts = tmp_path / "RESULTS.md", tmp_path / "videos", tmp_path / "charts"
    results.write_text("# Results\n\n## Quick (`make bench`)\n\nNot run yet.\n\n## Other\n\nstays\n")
    videos.mkdir()
    source = "testsrc2=size=320x240:rate=30"
    run_ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 60, "-pix_fmt", "yuv420p", videos / "one.mp4")
    words = "--rounds 1 --seconds 0.2 --megabytes 20 --shards 4"
    command = [sys.executable, "benchmarks/quick.py", *words.split(), "--python", sys.executable]
    places = ["--folder", str(folder / "quick"), "--results", str(results)]
    environment = os.environ | {"BENCH_VIDEOS": str(videos)}
    done = subprocess.run([*command, *places], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    text = results.read_text()
    assert text.endswith("\n## Other\n\nstays\n")
    assert re.search(
        r"^20\d\d-\d\d-\d\d, \d+ cores of .*; videos of videos; Python 3.*, av \d", text, re.MULTILINE
    )
    cell = r"[\d.]+ \([\d.]+ to [\d.]+\)"
    for name in ("decoding alone, from memory", "ours yuv420", "ours rgb", "DataLoader, our decoder"):
        assert re.search(rf"^\| {name} \| {cell} \| {cell} \| {cell} \|$", text, re.MULTILINE), name
    assert re.search(rf"^\| verify \| {cell} \| {cell} \|$", text, re.MULTILINE)
    assert re.search(rf"^\| 1,000 samples \| {cell} \| {cell} \|$", text, re.MULTILINE)
    shown = re.findall(r"!\[.+\]\(charts/(\w+\.png)\)", text)
    assert shown == ["loader.png", "verify.png", "start.png"]
    assert all((charts / name).read_bytes()[:4] == b"\x89PNG" for name in shown)


def test_other_videos_are_prepared_anew(folder):
    """Once a second folder of videos was named in the results, and the first one's videos were measured."""
    for name in ("testsrc", "testsrc2"):
        raw = folder / "some videos" / name
        raw.mkdir(parents=True)
        source = f"{name}=size=320x240:rate=30"
        run_ffmpeg("-f", "lavfi", "-i", source, "-frames:v", 10, "-pix_fmt", "yuv420p", raw / f"{name} a.mp4")
        (raw / "notes.txt").write_text("no video")
        (raw / "broken.mp4").write_bytes(b"no video either")
        command = [sys.executable, "benchmarks/loader.py", "prepare", "--videos", str(raw)]
        done = subprocess.run([*command, "--folder", str(folder / "loader")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(list((folder / "loader/originals").iterdir())) == 2
        hashes = {path.read_bytes() for path in (folder / "loader/shards/train").iterdir()}
        assert len(hashes) == 1
        if name == "testsrc":
            first = hashes
    assert hashes != first


def test_a_section_keeps_what_others_write_meanwhile(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend("benchmarks")
    from parts.results_file import Section

    path = tmp_path / "RESULTS.md"
    path.write_text("# Results\n\n## A\n\nold\n\n## B\n\nold\n")
    one, other = Section(path, "A"), Section(path, "B")
    one.add("first")
    other.add("of another")
    one.add("second")
    assert path.read_text() == "# Results\n\n## A\n\nfirst\nsecond\n\n## B\n\nof another\n"
    with pytest.raises(ValueError, match=r"has no section '## C'\. Write the heading where it belongs"):
        Section(path, "C")


def test_the_page_on_scaling_is_what_the_simulation_writes(tmp_path):
    page = Path("docs/scaling.md")
    copy = tmp_path / "scaling.md"
    copy.write_bytes(page.read_bytes())
    command = [sys.executable, "benchmarks/scaling.py", "simulate", "--docs", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 20
    assert copy.read_bytes() == page.read_bytes()
