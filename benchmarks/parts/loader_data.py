"""What benchmarks/loader.py measures on: the same videos as files, shards, JPEG tars and litdata chunks."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

CLIP_LEN, CROP, NUM_FRAMES = 32, 224, 300
SIZES = ("1280:720", "640:360")
PER_SHARD, MAX_VIDEOS = 6, 16
MADE = ("originals", "shards", "jpeg", "litdata")


def prepare(folder, videos_dir, litdata_python):
    """Make everything of the videos in a folder: 10 s at 30 fps, as 720p and as 360p."""
    originals = make_videos(folder, videos_dir)
    make_jpegs(folder / "jpeg", folder / "shards")
    if litdata_python:
        subprocess.run([litdata_python, __file__, str(folder)], check=True)
    for name in (name for name in MADE if (folder / name).exists()):
        size = sum(path.stat().st_size for path in (folder / name).rglob("*") if path.is_file())
        print(f"{name}: {size / len(originals) / 1000:.0f} KB a video")


def make_videos(folder, videos_dir):
    """Make originals and shards of the videos in a folder, and first remove those of other videos."""
    sources, made_of = videos_in(videos_dir), folder / "made_of.txt"
    names = "".join(f"{path.resolve()}\n" for path in sources)
    if not made_of.exists() or made_of.read_text() != names:
        for name in MADE:
            shutil.rmtree(folder / name, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        made_of.write_text(names)
    originals = make_originals(folder / "originals", sources)
    make_shards(folder / "shards", originals)
    return originals


def videos_in(folder):
    """Return at most `MAX_VIDEOS` of the videos below a folder, spread evenly over their sorted paths."""
    from vidprep.recipes.dataset_file import VIDEO_SUFFIXES

    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in VIDEO_SUFFIXES)
    if not found:
        raise SystemExit(f"{folder} holds no video ({', '.join(VIDEO_SUFFIXES)}). Name another folder.")
    number = min(len(found), MAX_VIDEOS)
    return [found[place * len(found) // number] for place in range(number)]


def make_originals(folder, sources):
    """As they come from the web: H.264 with B-frames and a key frame every 250."""
    from vidprep.ffmpeg import find_ffmpeg

    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number, source in enumerate(sources):
        for size in SIZES:
            path = folder / f"{number:02d}_{size.replace(':', 'x')}.mp4"
            if path.exists():
                made.append(path)
                continue
            scale = f"fps=30,scale={size}:force_original_aspect_ratio=increase,crop={size}"
            words = f"-frames:v {NUM_FRAMES} -an -vf {scale} -c:v libx264 -preset fast -crf 22 -g 250"
            read = [find_ffmpeg(), "-v", "error", "-y", "-stream_loop", "9", "-i", source]
            if subprocess.run([*read, *words.split(), "-pix_fmt", "yuv420p", path]).returncode:
                path.unlink(missing_ok=True)
                print(f"{source} is left out, for FFmpeg does not decode it.", file=sys.stderr)
            else:
                made.append(path)
    if not made:
        raise SystemExit("FFmpeg decodes none of these videos. Name another folder.")
    return made


def make_shards(folder, originals, settings=None):
    """Transcoded and packed by the code that builds shard sets; None: with the default settings."""
    from vidprep.builder.transcoding.transcode import transcode
    from vidprep.ffmpeg import find_ffmpeg
    from vidprep.recipes.recipe import Transcode
    from vidprep.shards.index import write_index
    from vidprep.shards.layout import INDEX, shard_name
    from vidprep.shards.tar import ShardWriter

    if (folder / INDEX).exists():
        return
    (folder / "train").mkdir(parents=True)
    rows = []
    for number in range(0, len(originals), PER_SHARD):
        name = shard_name("bench", "train", number // PER_SHARD)
        with ShardWriter(folder / name) as writer:
            for path in originals[number : number + PER_SHARD]:
                with tempfile.TemporaryDirectory() as scratch:
                    stored = transcode(path, Path(scratch), settings or Transcode(), find_ffmpeg())
                    writer.write(sample_of(path.stem, stored))
        rows += [row | {"shard": name} for row in writer.rows]
    write_index(rows, folder / INDEX)


def as_worker():
    """Begin this script anew in a worker's environment; the C library reads it at the start only."""
    from vidprep.load.workers.environment import worker_environment

    if "GLIBC_TUNABLES" not in os.environ and worker_environment() != os.environ:
        os.execve(sys.executable, sys.orig_argv, worker_environment())


def sample_of(name, stored):
    from vidprep.shards.layout import sample_key
    from vidprep.shards.tar import Sample

    return Sample(
        key=sample_key("train", name.replace(".", "_")),
        split="train",
        video_id=name,
        label=0,
        label_full=0,
        class_name="one",
        num_frames=stored.num_frames,
        width=stored.width,
        height=stored.height,
        fps=stored.fps,
        duration_seconds=stored.num_frames / stored.fps,
        video=stored.path.read_bytes(),
    )


def make_jpegs(folder, shards):
    """Every stored frame as a JPEG of quality 90, one tar for each shard."""
    try:
        import simplejpeg
    except ImportError:
        print("No JPEG tars are made, for simplejpeg is not installed.")
        return

    from vidprep.shards.video_file import open_video

    if folder.exists():
        return
    folder.mkdir()
    for shard in sorted((shards / "train").glob("*.tar")):
        with tarfile.open(shard) as source, tarfile.open(folder / shard.name, "w") as target:
            for member in source:
                data = source.extractfile(member).read()
                if member.name.endswith(".mp4"):
                    with open_video(data) as video:
                        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
                    for i, frame in enumerate(frames):
                        add(target, f"{member.name[:-4]}.{i:03d}.jpg", simplejpeg.encode_jpeg(frame, 90))
                elif member.name.endswith(".cls"):
                    add(target, member.name, data)


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def make_litdata(folder):
    """Runs in litdata's own environment."""
    import litdata

    samples = {}
    for shard in sorted((folder / "shards/train").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, kind = member.name.partition(".")
                samples.setdefault(key, {"__key__": key})[kind] = tar.extractfile(member).read()
    litdata.optimize(
        fn=samples.get,
        inputs=list(samples) * 64,  # its workers start anew for each epoch, so that one must be long
        output_dir=str(folder / "litdata"),
        chunk_bytes="16MB",
        num_workers=1,
        mode="overwrite",
    )


if __name__ == "__main__":
    make_litdata(Path(sys.argv[1]))
