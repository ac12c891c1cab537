"""What benchmarks/loader.py compares with: other people's loaders on the same clips, and how a rate is taken.

Each loader takes the benchmark's folder and seconds, and returns clips a second of time and of CPU.
"""

import itertools
import random
import time

import psutil

from parts.loader_data import CLIP_LEN, CROP, NUM_FRAMES

BATCH, WORKERS = 32, 2


def rate_of(batches, seconds, warm_up=3):
    """Clips a second of time and a second of CPU, after the first batches."""
    start = cpu = given = 0
    for number, batch in enumerate(batches):
        now = time.perf_counter()
        if number < warm_up:
            start, cpu, given = now, cpu_seconds(), 0
        else:
            given += len(batch)
        if number >= warm_up and now - start > seconds:
            return given / (now - start), given / (cpu_seconds() - cpu)
    raise RuntimeError("ran out of batches")


def cpu_seconds():
    """CPU time of this process and its workers: what other users of the machine disturb least."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(time.user + time.system for time in times)


def clip_start():
    return random.randrange(NUM_FRAMES - CLIP_LEN + 1)


def corner(room):
    return random.randrange(room + 1)


def torchcodec_clip(source, step=1, uniform=False, resize=False):
    """(T, 3, 224, 224) uint8; `source` is bytes or a path. Approximate seeking: its fastest."""
    from torch.nn.functional import interpolate
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(source, num_ffmpeg_threads=1, seek_mode="approximate")
    n = decoder.metadata.num_frames
    start = random.randrange(max(1, n - (CLIP_LEN - 1) * step))
    indices = [start + i * step for i in range(CLIP_LEN)]
    if uniform:
        indices = [int((i + random.random()) * n / CLIP_LEN) for i in range(CLIP_LEN)]
    frames = decoder.get_frames_at(indices).data
    if resize:
        scale = 256 / min(frames.shape[-2:])
        size = [round(side * scale) for side in frames.shape[-2:]]
        frames = interpolate(frames, size=size, mode="bilinear", antialias=True)
    y, x = corner(frames.shape[-2] - CROP), corner(frames.shape[-1] - CROP)
    return frames[..., y : y + CROP, x : x + CROP]


def webdataset_torchcodec(folder, seconds, **clip):
    """Today's good practice: batches are put together in the worker processes of a DataLoader."""
    import webdataset as wds

    step, uniform = clip.get("frame_step", 1), clip.get("temporal") == "uniform"
    urls = sorted(str(path) for path in (folder / "shards/train").glob("*.tar"))
    data = wds.WebDataset(urls, resampled=True, shardshuffle=False, nodesplitter=None).shuffle(16)
    data = data.map(lambda sample: (torchcodec_clip(sample["mp4"], step, uniform), int(sample["cls"])))
    loader = wds.WebLoader(data.batched(BATCH), batch_size=None, num_workers=WORKERS)
    return rate_of((video for video, _ in loader), seconds)


def jpeg_tars(folder, seconds):
    import numpy as np
    import simplejpeg
    import torch
    import webdataset as wds

    def decode(sample):
        start = clip_start()
        y = x = None
        frames = []
        for i in range(start, start + CLIP_LEN):
            frame = simplejpeg.decode_jpeg(sample[f"{i:03d}.jpg"])
            y = corner(frame.shape[0] - CROP) if y is None else y
            x = corner(frame.shape[1] - CROP) if x is None else x
            frames.append(frame[y : y + CROP, x : x + CROP])
        return torch.from_numpy(np.stack(frames)), int(sample["cls"])

    urls = sorted(str(path) for path in (folder / "jpeg").glob("*.tar"))
    data = wds.WebDataset(urls, resampled=True, shardshuffle=False, nodesplitter=None).shuffle(4).map(decode)
    loader = wds.WebLoader(data.batched(BATCH), batch_size=None, num_workers=WORKERS)
    return rate_of((video for video, _ in loader), seconds)


def dataloader_our_decoder(folder, seconds):
    """PyTorch's own DataLoader around the same decoder: what the engine of ours has to beat."""
    from torch.utils.data import DataLoader, RandomSampler

    from vidprep.load import ShardDataset
    from vidprep.recipes.recipe import TrainClip

    data = ShardDataset(folder / "shards", clip=TrainClip())
    sampler = RandomSampler(data, replacement=True, num_samples=10**6)
    loader = DataLoader(data, batch_size=BATCH, num_workers=WORKERS, sampler=sampler)
    return rate_of((batch["video"] for batch in loader), seconds)


class OriginalFiles:
    """One file per video, as most trainers read them: decode, resize to short side 256, crop."""

    def __init__(self, folder, read):
        self.paths, self.read = sorted((folder / "originals").glob("*.mp4")), read

    def __len__(self):
        return 1_000_000

    def __getitem__(self, index):
        return self.read(str(self.paths[index % len(self.paths)]))


def decord_clip(path):
    import decord

    probe = decord.VideoReader(path, num_threads=1)
    height, width, _ = probe[0].shape
    scale = 256 / min(height, width)
    reader = decord.VideoReader(path, width=round(width * scale), height=round(height * scale), num_threads=1)
    start = random.randrange(len(reader) - CLIP_LEN + 1)
    frames = reader.get_batch(list(range(start, start + CLIP_LEN))).asnumpy()
    y, x = corner(frames.shape[1] - CROP), corner(frames.shape[2] - CROP)
    return frames[:, y : y + CROP, x : x + CROP].copy()


def original_torchcodec_clip(path):
    return torchcodec_clip(path, resize=True)


def original_files(folder, seconds, read):
    from torch.utils.data import DataLoader

    loader = DataLoader(OriginalFiles(folder, read), batch_size=BATCH, num_workers=WORKERS, shuffle=True)
    return rate_of(loader, seconds, warm_up=1)


def litdata_chunks(folder, seconds):
    """The same stored videos in litdata's chunks, our decoder function, its own DataLoader."""
    import litdata

    from vidprep.load.shard_dataset import decode_clip
    from vidprep.recipes.recipe import TrainClip

    class Clips(litdata.StreamingDataset):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            return decode_clip(sample, clip=TrainClip(), epoch=random.randrange(10**6))["video"]

    data = Clips(str(folder / "litdata"), shuffle=True)
    loader = litdata.StreamingDataLoader(data, batch_size=BATCH, num_workers=WORKERS)
    return rate_of(itertools.chain.from_iterable(itertools.repeat(loader)), seconds)
