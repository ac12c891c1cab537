"""How much damage passes: mutants of real videos, transcoded and compared with what they were made from.

    python benchmarks/mutants.py make VIDEOS --work DIR      damage, transcode, measure; goes on where it was
    python benchmarks/mutants.py report VIDEOS --work DIR    what is used, what is suspect, what nobody sees
    python benchmarks/mutants.py healthy VIDEOS --work DIR   the same of videos that nothing was done to
    python benchmarks/mutants.py all VIDEOS --work DIR       one after the other

The damage follows from the seed alone. The stored videos, the logs and the measurements are kept in DIR, so
that `report` evaluates anew what was transcoded once; it writes the section of RESULTS.md. A mutant is
visibly damaged if a frame of its stored video is below 25 dB (luma) against the same frame of the original.

Thresholds are chosen on the mutants of the first seed. Those of the second were looked at while the
detectors were mended; those of the third were not looked at, and tell how good the detectors are.
"""

import argparse
import json
import random
import subprocess
import sys
import time
import zlib
from collections import Counter
from functools import partial
from pathlib import Path

import av
import numpy as np

from parts.results_file import Section, add_results_option
from vidprep.builder.transcoding.child import run_child
from vidprep.builder.transcoding.command import decode_command, encode_command
from vidprep.builder.transcoding.ffmpeg_log import parse_log
from vidprep.builder.transcoding.frame_counts import lacks_frames
from vidprep.builder.transcoding.suspicion.log_suspicion import log_suspicion
from vidprep.builder.transcoding.suspicion.pictures import PictureWatcher
from vidprep.builder.transcoding.watching import count_watched
from vidprep.ffmpeg import find_ffmpeg
from vidprep.recipes.pipelines import read_pipeline
from vidprep.recipes.recipe import Transcode
from vidprep.synth.dataset import write_k400, write_ssv2

SECTION = "Damage that passes (`benchmarks/mutants.py`)"
VISIBLE_DB = 25.0
SETTINGS = Transcode(partial="keep")
STRICT_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
CONTAINERS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts")
SEEDS = (0, 1, 2)
# Videos that nothing was done to: as large as published, small ones, and some that are stored small.
MADE_UP = {
    "ssv2": (write_ssv2, SETTINGS),
    "k400": (write_k400, SETTINGS),
    "ssv2 of 120 pixels": (partial(write_ssv2, short_side=120), SETTINGS),
    "ssv2 stored as the demo": (write_ssv2, read_pipeline("demo").transcode),
}
# The same packets in an MPEG transport stream, which has no healthy video of its own among ours.
REMUXED = ("carphone_qcif.mp4", "realshort_320x240.mp4", "hevc_10bit.mp4", "k400_yoga_Tw2yXa6CzWE.mp4")


# --- the damage -------------------------------------------------------------------------------------------


def flip_bits(data, draws):
    for _ in range(draws.choice((1, 1, 2, 5, 20))):
        data[draws.randrange(len(data))] ^= 1 << draws.randrange(8)


def zero_span(data, draws):
    length = min(draws.choice((16, 128, 1024, 8192)), len(data) // 4)
    start = draws.randrange(len(data) - length)
    data[start : start + length] = bytes(length)


def cut_tail(data, draws):
    del data[int(len(data) * draws.uniform(0.3, 0.999)) :]


def swap_spans(data, draws):
    length = min(draws.choice((64, 512, 4096)), len(data) // 8)
    first = draws.randrange(len(data) // 2 - length)
    second = draws.randrange(len(data) // 2, len(data) - length)
    kept = data[first : first + length]
    data[first : first + length] = data[second : second + length]
    data[second : second + length] = kept


def lie_in_header(data, draws):
    start, length = header_of(data)
    for _ in range(draws.choice((1, 2, 4))):
        data[start + draws.randrange(length)] = draws.randrange(256)


def header_of(data):
    """Start and length of what describes the streams: an MP4's moov box, else the first bytes."""
    moov = data.find(b"moov")
    if data[4:8] != b"ftyp" or moov < 4:
        return 0, min(len(data), 1024)
    return moov, min(int.from_bytes(data[moov - 4 : moov], "big"), len(data) - moov)


KINDS = {
    "bit flips": flip_bits,
    "zeroed span": zero_span,
    "cut tail": cut_tail,
    "swapped spans": swap_spans,
    "header lies": lie_in_header,
}


def damaged(source, kind, number, seed):
    """The bytes of a mutant, which follow from its name, kind, number and the seed."""
    draws = random.Random(zlib.crc32(f"{seed}:{source.name}:{kind}:{number}".encode()))
    data = bytearray(source.read_bytes())
    KINDS[kind](data, draws)
    return bytes(data)


# --- transcoding and measuring ----------------------------------------------------------------------------


def store(source, target, settings=SETTINGS):
    """Run the build's own FFmpeg command; returns its end, whatever it is."""
    command = encode_command(find_ffmpeg(), source, target, settings)
    return run_child(command, timeout_seconds=60, memory_mb=settings.memory_mb)


def luma(path):
    with av.open(str(path)) as container:
        return [np.asarray(frame.reformat(format="gray").to_ndarray()) for frame in container.decode(video=0)]


def frame_psnr(ours, theirs):
    if ours.shape != theirs.shape:
        return 0.0
    error = np.square(ours.astype(np.float32) - theirs).mean()
    return 99.0 if error == 0 else float(10 * np.log10(255**2 / error))


def measure(path, original):
    """What became of the frames: how many there are, the worst one, and how many nobody could miss."""
    try:
        frames = luma(path)
    except (av.FFmpegError, IndexError):
        return {"num_frames": 0, "worst_db": None, "num_visible": 0}
    quality = [frame_psnr(*pair) for pair in zip(frames, original, strict=False)]
    return {
        "num_frames": len(frames),
        "worst_db": min(quality, default=None),
        "num_visible": sum(value < VISIBLE_DB for value in quality),
    }


def make(args):
    gather_sources(args.videos, args.work)
    sources = healthy_sources(args.work)
    done = {record["name"] for record in records(args.work)}
    stop = time.monotonic() + 60 * args.minutes
    for name, each in planned(sources, args.count):
        source = args.work / "sources" / name
        todo = [one for one in each if mutant_name(source, *one) not in done]
        original = luma(args.work / f"{source.name}.original.mp4") if todo else []
        for one in todo:
            if time.monotonic() > stop:
                sys.exit(f"{len(done)} mutants are measured; run the same command again for the rest")
            record = one_mutant(source, *one, args, original)
            with (args.work / "records.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")
            done.add(record["name"])
    print(f"{len(done)} mutants are measured")


def gather_sources(videos, work):
    """Put links to the videos into one folder, and some of them once more as transport streams."""
    folder = work / "sources"
    folder.mkdir(parents=True, exist_ok=True)
    for path in videos.iterdir():
        link = folder / path.name
        if path.suffix in CONTAINERS and not link.exists():
            link.symlink_to(path.absolute())
    for name in REMUXED:
        target = folder / Path(name).with_suffix(".ts")
        if (videos / name).exists() and not target.exists():
            quiet = [find_ffmpeg(), "-v", "error"]
            subprocess.run([*quiet, "-i", videos / name, "-map", "0:V:0", "-c", "copy", target], check=True)


def healthy_sources(work):
    """Seconds that each video takes which transcodes as it is; the others are no originals."""
    known = work / "originals.json"
    if not known.exists():
        seconds = {}
        for path in sorted((work / "sources").iterdir()):
            target, start = work / f"{path.name}.original.mp4", time.monotonic()
            ended = store(path, target)
            if not ended.returncode and not parse_log(ended.log).complaints:
                seconds[path.name] = round(time.monotonic() - start, 2)
                (work / f"{path.name}.original.log").write_text(ended.log)
        known.write_text(json.dumps(seconds))
    return json.loads(known.read_text())


def planned(seconds, count):
    """Mutants of each source and seed, cheap sources first: one of 1080p costs as much as 50 small ones."""
    weights = {name: 1 / max(cost, 0.25) ** 0.9 for name, cost in seconds.items()}
    for name in sorted(seconds, key=seconds.get):
        number = max(len(KINDS), round(count * weights[name] / sum(weights.values())))
        kinds = list(KINDS)
        each = [(kinds[i % len(kinds)], i // len(kinds)) for i in range(number)]
        yield name, [(*one, seed) for seed in SEEDS for one in each]


def mutant_name(source, kind, number, seed):
    return f"{source.name}.{kind.replace(' ', '_')}.{number:03d}.{seed}"


def one_mutant(source, kind, number, seed, args, original):
    name = mutant_name(source, kind, number, seed)
    mutant, target = args.work / f"{name}{source.suffix}", args.work / f"{name}.stored.mp4"
    mutant.write_bytes(damaged(source, kind, number, seed))
    ended = store(mutant, target)
    mutant.unlink()
    (args.work / f"{name}.log").write_text(ended.log)
    record = {"name": name, "source": source.name, "kind": kind, "number": number, "seed": seed}
    record |= {"returncode": ended.returncode, "timed_out": ended.timed_out}
    return record | (measure(target, original) if target.exists() else {"num_frames": 0, "worst_db": None})


def records(work):
    path = work / "records.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# --- judging ----------------------------------------------------------------------------------------------


def was_rejected(record, log):
    """What release 0.1 did: it heard errors, and believed the header's number of frames."""
    heard = [line for line in log.complaints if line != "corrupt decoded frame"]
    short = 2 * log.num_frames_decoded < log.num_frames_announced
    return bool(record["returncode"] or heard or log.num_decode_errors or short or not log.num_frames_decoded)


def is_rejected(record, log, args):
    if was_rejected(record, log) or log.complaints or lacks_frames(log):
        return True
    return log.source_codec in STRICT_DECODERS and bool(strict_log(record, log, args).complaints)


def strict_log(record, log, args):
    """What the reference decoder says of a mutant; kept, as it takes time."""
    path = args.work / f"{record['name']}.strict.log"
    if not path.exists():
        mutant = args.work / f"strict{Path(record['source']).suffix}"
        mutant.write_bytes(damaged_again(record, args))
        command = decode_command(find_ffmpeg(), mutant, STRICT_DECODERS[log.source_codec])
        path.write_text(run_child(command, timeout_seconds=60, memory_mb=SETTINGS.memory_mb).log)
        mutant.unlink()
    return parse_log(path.read_text())


def suspicion(video, log, source):
    watcher = PictureWatcher(log.source_size)
    with av.open(str(video)) as container:
        count_watched(container.decode(video=0), [watcher])
    return watcher.suspicion()[0] or log_suspicion(log, source)


def judge(record, args):
    log = parse_log((args.work / f"{record['name']}.log").read_text())
    stored = args.work / f"{record['name']}.stored.mp4"
    worst = record["worst_db"]
    outcome = "rejected" if is_rejected(record, log, args) else "used"
    if outcome == "used" and stored.exists():
        mutant = args.work / f"judged{Path(record['source']).suffix}"
        mutant.write_bytes(damaged_again(record, args))
        outcome = suspicion(stored, log, mutant) or outcome
        mutant.unlink()
    return {
        "kind": record["kind"],
        "source": record["source"],
        "visible": worst is not None and worst < VISIBLE_DB,
        "before": "rejected" if was_rejected(record, log) else "used",
        "after": outcome,
        "name": record["name"],
        "seed": record["seed"],
        "has_original_bytes": damaged_again(record, args) == source_of(record, args).read_bytes(),
    }


def source_of(record, args):
    return args.work / "sources" / record["source"]


def damaged_again(record, args):
    return damaged(source_of(record, args), record["kind"], record["number"], record["seed"])


def report(args):
    judged = [judge(record, args) for record in records(args.work)]
    (args.work / "judged.jsonl").write_text("".join(json.dumps(one) + "\n" for one in judged))
    figures = {}
    for seed in SEEDS:
        figures[seed] = describe([one for one in judged if one["seed"] == seed], seed)
    write_figures(args, mutants={"num_mutants": len(judged), "seeds": figures})
    write_section(args, figures)


def write_section(args, figures):
    """A column for each seed: how much of the visible damage is used, and not called suspect."""
    section = Section(args.results, SECTION)
    section.begin(f"{sum(of['num_mutants'] for of in figures.values()):,} mutants of {args.videos.name}")
    rows = [(f"videos with a frame below {VISIBLE_DB:g} dB", *(of["num_visible"] for of in figures.values()))]
    rules = {"release 0.1": "before", "now": "after", "with `--checksums`": "with_checksums"}
    for name, key in rules.items():
        shares = (f"{of[key]} ({of[key] / max(of['num_visible'], 1):.1%})" for of in figures.values())
        rows.append((f"of those used and not suspect: {name}", *shares))
    texts = [tuple(map(str, row)) for row in rows]
    section.table(("", *(f"seed {seed}" for seed in figures)), texts)
    bars = {f"seed {seed}": [100 * of["after"] / max(of["num_visible"], 1)] for seed, of in figures.items()}
    section.chart(bars, "% of visible damage used and not suspect", "mutants")


def describe(judged, seed):
    """Print what became of one seed's mutants, and return the shares."""
    visible = [one for one in judged if one["visible"]]
    print(f"seed {seed}: {len(judged)} mutants; {len(visible)} give a frame below {VISIBLE_DB:g} dB")
    print(f"  outcomes: {dict(Counter(one['after'] for one in judged))}")
    figures = {"num_mutants": len(judged), "num_visible": len(visible)}
    for when in ("before", "after"):
        unseen = [one for one in visible if one[when] == "used"]
        share = len(unseen) / max(len(visible), 1)
        print(f"  {when}: {len(unseen)} of those are used and not suspect: {share:.1%}")
        print(f"    by damage: {dict(Counter(one['kind'] for one in unseen))}")
        print(f"    by video: {dict(Counter(one['source'] for one in unseen))}")
        figures[when] = len(unseen)
    figures["with_checksums"] = sum(one["has_original_bytes"] for one in visible)
    print(f"  with --checksums: {figures['with_checksums']} of those have the bytes of their original")
    return figures


def write_figures(args, **figures):
    path = args.work / "figures.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | figures, indent=1))


def healthy(args):
    """Originals and synthetic videos to which nothing was done: who is suspect?"""
    names = json.loads((args.work / "originals.json").read_text())
    sources = args.work / "sources"
    originals = [judge_healthy(args.work / f"{name}.original.mp4", sources / name) for name in names]
    print(f"{len(originals)} real videos: {originals.count('')} without suspicion, {Counter(originals)}")
    figures = {"real": dict(Counter(originals))}
    for seed in SEEDS:
        for name, (write, settings) in MADE_UP.items():
            found = Counter(made_up(f"{name}, {seed}", write, settings, seed, args))
            figures[f"{name}, seed {seed}"] = dict(found)
            print(f"made-up {name}, seed {seed}: {dict(found)}")
    write_figures(args, healthy=figures)


def made_up(name, write, settings, seed, args):
    """What is said of each video of a made-up dataset."""
    folder, stored_dir = (args.work / what / name for what in ("synthetic", "healthy"))
    write(folder, num_classes=10, videos_per_class=4, validation_per_class=1, seed=seed)  # or complete it
    stored_dir.mkdir(parents=True, exist_ok=True)
    for path in sorted(path for path in folder.rglob("*") if path.suffix in CONTAINERS):
        target = stored_dir / f"{path.stem}.mp4"
        if not target.with_suffix(".log").exists():
            target.with_suffix(".log").write_text(store(path, target, settings).log)
        yield judge_healthy(target, path)


def judge_healthy(stored, source):
    log = parse_log(stored.with_suffix(".log").read_text())
    return "rejected" if log.complaints or lacks_frames(log) else suspicion(stored, log, source)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "report", "healthy", "all"])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--count", type=int, default=550, help="mutants of each seed, about")
    parser.add_argument("--minutes", type=float, default=600.0, help="stop after so many; run it again")
    add_results_option(parser)
    args = parser.parse_args()
    steps = {"make": make, "report": report, "healthy": healthy}
    for step in steps.values() if args.what == "all" else [steps[args.what]]:
        step(args)


if __name__ == "__main__":
    main()
