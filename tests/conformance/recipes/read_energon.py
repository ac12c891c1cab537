# once: vidprep export SHARDS --for energon
from megatron.energon import (
    Cooker,
    CrudeSample,
    DefaultTaskEncoder,
    WorkerConfig,
    basic_sample_keys,
    get_loader,
    get_val_dataset,
    stateless,
)


@stateless
def cook(sample):
    return CrudeSample(**basic_sample_keys(sample), cls=sample["cls"], mp4=sample["mp4"])


class Encoder(DefaultTaskEncoder):
    decoder = None  # members as they are
    cookers = (Cooker(cook),)


dataset = get_val_dataset(
    SHARDS,
    split_part="train",
    batch_size=None,
    task_encoder=Encoder(),
    worker_config=WorkerConfig.default_worker_config(0),
)
samples = ((sample["__key__"], int(sample["cls"]), sample["mp4"]) for sample in get_loader(dataset))
