"""Write a synthetic dataset: annotation lists, videos, and `truth.json`, the list of their defects."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from vidprep.errors import SourceError
from vidprep.ffmpeg import find_ffmpeg
from vidprep.machine import num_cores
from vidprep.synth.annotations import write_k400_annotations, write_ssv2_annotations
from vidprep.synth.encode import VideoFormat, write_mp4, write_tone, write_webm
from vidprep.synth.motions import motions_of
from vidprep.synth.official import OFFICIAL_FILES, write_official_lists, write_official_video
from vidprep.synth.plan import DEFECTS, OTHER_CLASSES, Parameters, PlannedVideo, plan_videos, seeded
from vidprep.synth.scene import LARGE_OBJECTS, SMALL_OBJECTS, Frames, draw_video

# Holds the parameters that the folder was made with; `complete` turns true when everything else is there.
RECORD = "synth.json"
TRUTH = "truth.json"
_GENERATION = 2  # counts changes of what the same parameters draw

_SSV2_SHORT_SIDE, _SSV2_ASPECT, _SSV2_FPS = 240, Fraction(16, 9), Fraction(12)
_SSV2_FRAMES = (24, 72)
_K400_SECONDS = (4.0, 10.0)
_K400_FPS = (Fraction(25), Fraction(30000, 1001), Fraction(24), Fraction(15), Fraction(28))
# Stored width and height, and the shape of a pixel: landscape, portrait, anamorphic.
_K400_SIZES = (
    *((320, 240, Fraction(1)), (340, 256, Fraction(1)), (426, 240, Fraction(1)), (480, 360, Fraction(1))),
    *((640, 360, Fraction(1)), (480, 270, Fraction(1)), (240, 426, Fraction(1)), (256, 340, Fraction(1))),
    *((340, 256, Fraction(64, 51)), (352, 288, Fraction(12, 11))),
)
# Share of the bytes that stays. The first frame is to stay whole, and is 88 % of a still WebM.
_KEPT = {("ssv2", "truncated"): 0.95, ("k400", "truncated"): 0.4, ("k400", "no_index"): 0.4}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Written:
    """A synthetic dataset on disk.

    Attributes:
        out_dir: The dataset's folder.
        num_videos: Number of annotated videos, broken and missing ones included.
        num_broken: How many of them have a defect.
        was_there: Whether the folder was complete already, so that nothing was done.
    """

    out_dir: Path
    num_videos: int
    num_broken: int
    was_there: bool


def write_ssv2(
    out_dir: Path,
    *,
    num_classes: int = 12,
    videos_per_class: int = 8,
    validation_per_class: int = 2,
    seed: int = 0,
    broken: float = 0.0,
    short_side: int | None = None,
    num_workers: int | None = None,
    on_progress: Progress | None = None,
) -> Written:
    """Write a small Something-Something v2: `videos/<id>.webm` and the official JSON files.

    Args:
        out_dir: Folder to write to: empty or missing; that of an earlier call with the same arguments is
            completed.
        num_classes: How many classes; the first ones of `drawable_classes("ssv2")`.
        videos_per_class: Training videos of each class.
        validation_per_class: Validation videos of each class.
        seed: Another seed makes other videos with other ids.
        broken: Share of the videos, 0 to 1, that get a defect; they are listed in `truth.json`.
        short_side: Short side of the frames in pixels; None: 240, as published. Smaller ones are made sooner.
        num_workers: Videos made at the same time; by default one per core. The files do not depend on it.
        on_progress: Called with the number of videos done and the number of all.

    Raises:
        ValueError: If an argument is out of range.
        SourceError: If `out_dir` holds something else.
        ToolError: If FFmpeg fails.
    """
    parameters = Parameters(
        "ssv2", num_classes, videos_per_class, validation_per_class, seed, broken, short_side
    )
    return _write(out_dir, parameters, num_workers, on_progress)


def write_k400(
    out_dir: Path,
    *,
    num_classes: int = 10,
    videos_per_class: int = 8,
    validation_per_class: int = 2,
    seed: int = 0,
    broken: float = 0.0,
    num_workers: int | None = None,
    on_progress: Progress | None = None,
) -> Written:
    """Write a small Kinetics-400: `<train|val>/<label>/<id>_<start>_<end>.mp4` and the official CSV files.

    Arguments and errors are those of `write_ssv2`, but for `short_side`: these videos are of many sizes.
    """
    parameters = Parameters("k400", num_classes, videos_per_class, validation_per_class, seed, broken)
    return _write(out_dir, parameters, num_workers, on_progress)


def write_official(
    name: str,
    out_dir: Path,
    *,
    num_classes: int = OTHER_CLASSES,
    videos_per_class: int = 8,
    validation_per_class: int = 2,
    seed: int = 0,
    num_workers: int | None = None,
    on_progress: Progress | None = None,
) -> Written:
    """Write a small set in the official layout of another dataset: lists, their columns, folders and files.

    The other arguments and the errors are those of `write_ssv2`.

    Args:
        name: The dataset, one of `plan.OFFICIAL`.
    """
    parameters = Parameters(name, num_classes, videos_per_class, validation_per_class, seed)
    return _write(out_dir, parameters, num_workers, on_progress)


def _write(
    out_dir: Path, parameters: Parameters, num_workers: int | None, on_progress: Progress | None
) -> Written:
    videos = plan_videos(parameters)
    broken = [video for video in videos if video.defect]
    if _is_complete(out_dir, parameters):
        return Written(out_dir, len(videos), len(broken), was_there=True)
    ffmpeg = find_ffmpeg()
    for folder in {out_dir / "annotations", *((out_dir / video.path).parent for video in videos)}:
        folder.mkdir(parents=True, exist_ok=True)
    _write_record(out_dir, parameters, complete=False)
    if parameters.dataset == "ssv2":
        write_ssv2_annotations(videos, out_dir / "annotations", parameters)
    elif parameters.dataset == "k400":
        write_k400_annotations(videos, out_dir / "annotations")
    else:
        write_official_lists(videos, out_dir / "annotations", parameters.dataset)
    _write_videos(videos, out_dir, parameters, ffmpeg, num_workers, on_progress)
    (out_dir / TRUTH).write_text(
        json.dumps([_truth(v, parameters) for v in broken], indent=1), encoding="utf-8"
    )
    _write_record(out_dir, parameters, complete=True)
    return Written(out_dir, len(videos), len(broken), was_there=False)


def _is_complete(out_dir: Path, parameters: Parameters) -> bool:
    """Tell whether there is nothing left to do.

    Raises:
        SourceError: If the folder may not be written to.
    """
    if not out_dir.exists() or (out_dir.is_dir() and not any(out_dir.iterdir())):
        return False
    if not out_dir.is_dir():
        raise SourceError(f"{out_dir} is a file. Choose a new folder.")
    record_path = out_dir / RECORD
    if not record_path.is_file():
        raise SourceError(
            f"{out_dir} is not empty and was not made by `vidprep synth` (it has no {RECORD}). "
            "Choose a new folder."
        )
    record = json.loads(record_path.read_text(encoding="utf-8"))
    complete = bool(record.pop("complete", False))
    wanted = _record(parameters)
    changed = [f"{k} {record.get(k)} (now {v})" for k, v in wanted.items() if record.get(k) != v]
    if changed:
        raise SourceError(
            f"{out_dir} was made with {', '.join(changed)}. Choose a new folder, or delete this one."
        )
    return complete


def _record(parameters: Parameters) -> dict[str, object]:
    return {**asdict(parameters), "generation": _GENERATION}


def _write_record(out_dir: Path, parameters: Parameters, *, complete: bool) -> None:
    partial = out_dir / f".{RECORD}.partial"
    partial.write_text(json.dumps({**_record(parameters), "complete": complete}, indent=1), encoding="utf-8")
    partial.replace(out_dir / RECORD)


def _truth(video: PlannedVideo, parameters: Parameters) -> dict[str, str]:
    return {
        "video_id": video.video_id,
        "split": video.split,
        "path": video.path,
        "defect": video.defect,
        "expected": DEFECTS[parameters.dataset][video.defect],
    }


def _write_videos(
    videos: list[PlannedVideo],
    out_dir: Path,
    parameters: Parameters,
    ffmpeg: str,
    num_workers: int | None,
    on_progress: Progress | None,
) -> None:
    """Write all videos, in threads: FFmpeg does most of the work."""
    with ThreadPoolExecutor(num_workers or num_cores()) as pool:
        by_path: dict[str, list[PlannedVideo]] = {}
        for video in videos:
            by_path.setdefault(video.path, []).append(video)
        futures = [
            pool.submit(_write_file, parts, out_dir, parameters, ffmpeg=ffmpeg) for parts in by_path.values()
        ]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if on_progress:
                    on_progress(done, len(futures))
        finally:
            pool.shutdown(cancel_futures=True)


def _write_file(parts: list[PlannedVideo], out_dir: Path, parameters: Parameters, *, ffmpeg: str) -> None:
    if parameters.dataset not in OFFICIAL_FILES:
        write_video(parts[0], out_dir, parameters, ffmpeg=ffmpeg)
        return
    path = out_dir / parts[0].path
    if not path.exists():
        partial = path.with_name(f".{path.name}.partial")
        write_official_video(parts, partial, parameters, ffmpeg)
        partial.replace(path)


def write_video(video: PlannedVideo, out_dir: Path, parameters: Parameters, *, ffmpeg: str) -> None:
    """Write one video under a temporary name and rename it; a file that is there is kept.

    Raises:
        ToolError: If FFmpeg fails.
    """
    path = out_dir / video.path
    if path.exists() or video.defect == "missing":
        return
    partial = path.with_name(f".{path.name}.partial")
    if video.defect == "zero_bytes":
        partial.touch()
    else:
        _encode(video, partial, parameters, ffmpeg)
    if (parameters.dataset, video.defect) in _KEPT:
        kept = _KEPT[parameters.dataset, video.defect]
        os.truncate(partial, int(partial.stat().st_size * kept))
    partial.replace(path)


def _encode(video: PlannedVideo, path: Path, parameters: Parameters, ffmpeg: str) -> None:
    rng = seeded(parameters, video.video_id)
    fmt, num_frames = _draw_format(parameters, rng)
    tone_hz = int(rng.integers(200, 900))
    if video.defect == "audio_only":
        container = "webm" if parameters.dataset == "ssv2" else "mp4"
        write_tone(path, num_frames / fmt.fps, tone_hz=tone_hz, container=container, ffmpeg=ffmpeg)
        return
    frames = _draw(video, parameters.dataset, fmt, num_frames, rng)
    if parameters.dataset == "ssv2":
        write_webm(frames, path, fmt, ffmpeg=ffmpeg)
    else:
        write_mp4(frames, path, fmt, tone_hz=tone_hz, index_first=video.defect == "truncated", ffmpeg=ffmpeg)


def _draw(
    video: PlannedVideo, dataset: str, fmt: VideoFormat, num_frames: int, rng: np.random.Generator
) -> Frames:
    seconds = np.arange(1 if video.defect == "one_frame" else num_frames) / float(fmt.fps)
    radii = LARGE_OBJECTS if dataset == "ssv2" else SMALL_OBJECTS
    return draw_video(motions_of(dataset)[video.class_name], seconds, fmt.drawn_size, rng, radii=radii)


def _draw_format(parameters: Parameters, rng: np.random.Generator) -> tuple[VideoFormat, int]:
    if parameters.dataset == "ssv2":
        side = parameters.short_side or _SSV2_SHORT_SIDE
        num_frames = int(rng.integers(*_SSV2_FRAMES, endpoint=True))
        return VideoFormat(round(side * _SSV2_ASPECT), side, _SSV2_FPS), num_frames
    width, height, sample_aspect = _K400_SIZES[rng.integers(len(_K400_SIZES))]
    fps = _K400_FPS[rng.integers(len(_K400_FPS))]
    return VideoFormat(width, height, fps, sample_aspect), round(rng.uniform(*_K400_SECONDS) * fps)
