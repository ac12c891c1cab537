"""Raw videos to a report: `python examples/whole_road.py RAW`.

RAW holds Something-Something-v2 in its official layout; `vidprep synth ssv2 --out RAW` makes a small one.
"""

import sys

import vidprep

# A network and clips so small that a CPU does it all in a minute.
SETTINGS = (
    "transcode.short_side=36",
    "train_clip.clip_len=4",
    "train_clip.crop_size=32",
    "eval_views.clip_len=4",
    "eval_views.crop_size=36",
    "model.width=4",
    "optimisation.batch_size=4",
    "optimisation.epochs=2",
)


def main(raw_dir: str) -> None:
    found = vidprep.audit("demo", sources=[raw_dir])
    print(found)
    built = vidprep.build("demo", "shards/demo", sources=[raw_dir], overrides=SETTINGS)
    vidprep.verify(built.out_dir, decode=True)
    vidprep.train(built.out_dir, "runs/demo")
    results = vidprep.evaluate(built.out_dir, "runs/demo", "evals/demo")
    print(f"top-1 {results.top1:.1%}")
    vidprep.write_report([built.out_dir, "runs/demo", "evals/demo"], "report.html")


if __name__ == "__main__":
    main(sys.argv[1])
