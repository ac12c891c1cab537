# once: vidprep export SHARDS --for dali --out INDEXES
import glob
import json

from nvidia.dali import fn, pipeline_def


@pipeline_def(batch_size=1, num_threads=1, device_id=None)
def members():
    facts, label, video = fn.readers.webdataset(
        paths=sorted(glob.glob(f"{SHARDS}/train/*.tar")),
        index_paths=sorted(glob.glob(f"{INDEXES}/train/*.idx")),
        ext=["json", "cls", "mp4"],
        name="shards",
    )
    return facts, label, video


def read():
    pipeline = members()
    pipeline.build()
    for _ in range(pipeline.epoch_size("shards")):
        facts, label, video = (bytes(output.at(0)) for output in pipeline.run())
        facts = json.loads(facts)
        yield f"{facts['split']}-{facts['video_id']}", int(label), video


samples = read()
