from torchdata.stateful_dataloader import StatefulDataLoader

from vidprep import ClipLoader

clips = ClipLoader(SHARDS, clip=CLIP, batch_size=4, output="dict")
loader = StatefulDataLoader(clips, batch_size=None)  # its state_dict() is the position
