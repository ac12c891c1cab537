"""What parts of a long video cost: 500 of three hours, beside one pass over them.

    python -m benchmarks.segments [--hours 3] [--segments 500]

CPU seconds, not the clock's: decoding, encoding, hashing and packing of `vidprep build --from-csv`, beside
one FFmpeg that decodes the source from end to end and throws the frames away.
"""

import argparse
import random
import subprocess
import tempfile
from pathlib import Path

import vidprep
from benchmarks.parts.process_usage import cpu_seconds
from vidprep.builder.transcoding.command import decode_command
from vidprep.ffmpeg import find_ffmpeg

_SCENE_SECONDS = 60
_SEGMENT_SECONDS = (1.0, 4.0)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--segments", type=int, default=500)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = make_source(folder / "videos", asked.hours)
        write_list(folder / "list.csv", source.name, 3600 * asked.hours, asked.segments)
        before = cpu_seconds()
        subprocess.run(decode_command(find_ffmpeg(), source), check=True, capture_output=True)
        one_pass = cpu_seconds() - before
        build = vidprep.build(
            out_dir=folder / "shards",
            from_csv=[folder / "list.csv"],
            root=source.parent,
            val_fraction=0.0,
            in_process=True,
        )
        of_parts = cpu_seconds() - before - one_pass
        used = build.manifest.totals["train"].used
    print(
        f"{asked.hours:g} h, 640x360, 25 fps, a key frame every 10 s; {used} of {asked.segments} parts used"
    )
    print(f"one pass {one_pass:.0f} s, all parts {of_parts:.0f} s: {of_parts / one_pass:.2f} times one pass")


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
