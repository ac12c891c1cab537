from mmaction.registry import DATASETS
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from vidprep.adapters.mmaction2 import register

init_default_scope("mmaction")  # as mmaction2's own tools do
register()
pipeline = [
    {"type": "VidprepDecode", "clip_len": 4, "frame_step": 2},
    {"type": "Resize", "scale": (32, 32), "keep_ratio": False},
    {"type": "FormatShape", "input_format": "NCTHW"},
    {"type": "PackActionInputs"},
]
dataset = DATASETS.build({"type": "VidprepDataset", "ann_file": f"{SHARDS}/train", "pipeline": pipeline})
loader = Runner.build_dataloader(
    {
        "dataset": dataset,
        "batch_size": 4,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": True},
        "collate_fn": {"type": "pseudo_collate"},
    }
)
