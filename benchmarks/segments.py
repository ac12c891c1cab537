"""What parts of a long video cost: 500 of three hours, beside one pass over them.

    python benchmarks/segments.py [--hours 3] [--segments 500]

CPU seconds, not the clock's: decoding, encoding, hashing and packing of `vidprep build --from-csv`, beside
one FFmpeg that decodes the source from end to end and throws the frames away. It writes its section of
RESULTS.md.
"""

import argparse
import random
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import vidprep
from parts.charts import spread
from parts.process_usage import cpu_seconds
from parts.results_file import Section, add_results_option
from parts.rounds import in_rounds, ratios
from vidprep.builder.transcoding.command import decode_command
from vidprep.ffmpeg import find_ffmpeg

SECTION = "Parts of a long video (`benchmarks/segments.py`)"
_SCENE_SECONDS = 60
_SEGMENT_SECONDS = (1.0, 4.0)


def main() -> None:
    """Measure, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--segments", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    add_results_option(parser)
    asked = parser.parse_args()
    section = Section(asked.results, SECTION)
    section.begin(
        f"{asked.hours:g} h, 640x360, 25 fps, a key frame every 10 s; {asked.segments} parts of 1 to 4 s; "
        f"{asked.rounds} rounds in turn"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_source(folder / "videos", asked.hours)
        write_list(folder / "list.csv", source.name, 3600 * asked.hours, asked.segments)
        ways = {
            "one pass of decoding": partial(one_pass, source),
            f"all {asked.segments} parts": partial(all_parts, folder, source, asked.segments),
        }
        found = in_rounds(ways, asked.rounds)
    alone = found["one pass of decoding"]
    rows = [(name, spread(spent, "{:.1f}"), spread(ratios(spent, alone))) for name, spent in found.items()]
    section.table(("", "CPU seconds", "times one pass"), rows)
    section.chart(found, "CPU seconds", "segments")


def one_pass(source: Path) -> float:
    """Return the CPU seconds of decoding a video from end to end."""
    before = cpu_seconds()
    subprocess.run(decode_command(find_ffmpeg(), source), check=True, capture_output=True)
    return cpu_seconds() - before


def all_parts(folder: Path, source: Path, count: int) -> float:
    """Return the CPU seconds of a build of all parts."""
    before = cpu_seconds()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        build = vidprep.build(
            out_dir=Path(out) / "shards",
            from_csv=[folder / "list.csv"],
            root=source.parent,
            val_fraction=0.0,
            in_process=True,
        )
    used = build.manifest.totals["train"].used
    if used != count:
        raise RuntimeError(f"{used} of {count} parts were used; all of them are whole.")
    return cpu_seconds() - before


def make_source(folder: Path, hours: float) -> Path:
    """Write a minute of moving pictures again and again, without encoding it again."""
    folder.mkdir()
    scene, source = folder.parent / "scene.mp4", folder / "long.mp4"
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=640x360:r=25:d={_SCENE_SECONDS}"]
    codec = ["-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "250"]
    quiet = [find_ffmpeg(), "-loglevel", "error"]
    subprocess.run([*quiet, *picture, *codec, str(scene)], check=True)
    loops = ["-stream_loop", str(round(hours * 3600 / _SCENE_SECONDS) - 1)]
    subprocess.run([*quiet, *loops, "-i", str(scene), "-c", "copy", str(source)], check=True)
    return source


def write_list(path: Path, name: str, seconds: float, count: int) -> None:
    """Write a list of parts at random places."""
    draws, rows = random.Random(0), ["path,label,start,end"]
    for number in range(count):
        start = draws.uniform(0, seconds - _SEGMENT_SECONDS[1])
        end = start + draws.uniform(*_SEGMENT_SECONDS)
        rows.append(f"{name},class {number % 5},{start:.3f},{end:.3f}")
    path.write_text("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
