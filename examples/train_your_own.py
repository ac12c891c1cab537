"""Train your own network on a shard set: `python examples/train_your_own.py SHARDS`.

Stop it whenever you like: the same command goes on at the same clip.
"""

import sys
from pathlib import Path

import torch
from torch import nn

import vidprep

CHECKPOINT = Path("own_network.pt")
EPOCHS = 2


def build_network(num_classes: int) -> nn.Module:
    """Any module will do that takes (B, 3, T, H, W) and gives (B, num_classes)."""
    layers = [nn.Conv3d(3, 16, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, num_classes))


def main(shards_dir: str) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shards = vidprep.ShardSet.open(shards_dir)
    network = build_network(len(shards.classes)).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)
    clip = vidprep.TrainClip(clip_len=4, crop_size=32)
    loader = vidprep.ClipLoader(shards, "train", clip=clip, batch_size=4, seed=0)
    if CHECKPOINT.exists():
        saved = torch.load(CHECKPOINT, weights_only=True)
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        loader.load_state_dict(saved["loader"])
    while loader.epoch < EPOCHS:
        for batch in loader:  # from where the loader is to the end of its epoch
            batch = batch.to(device)
            loss = nn.functional.cross_entropy(network(vidprep.to_network_input(batch)), batch.label)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            print(f"epoch {loader.epoch}, step {loader.step}: loss {loss.item():.3f}")
            state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save(state | {"loader": loader.state_dict()}, CHECKPOINT)


if __name__ == "__main__":
    main(sys.argv[1])
