"""Tube masks, as VideoMAE is pre-trained with: `python examples/tube_masks.py SHARDS`.

The patches of a clip are hidden at the same places in all of its frames. Here a linear layer guesses what is
hidden from the mean of what is seen; put your encoder and decoder in its place.
"""

import sys
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

import vidprep
from vidprep.load.sampling.draws import Draws

PATCH, FRAMES_OF_PATCH = 8, 2


def tube_masks(
    keys: Sequence[str], *, epoch: int, frames: int, height: int, width: int, masked: float, seed: int = 0
) -> torch.Tensor:
    """Return what is hidden of each clip: (N, frames, height * width) bool, sizes counted in patches.

    A mask is a function of (seed, epoch, key), and of the number of the clip where a video has several: the
    same on any number of ranks, and after a resume.
    """
    seen_before: Counter[str] = Counter()
    num_places = height * width
    masks = torch.zeros(len(keys), frames, num_places, dtype=torch.bool)
    for row, key in enumerate(keys):
        draws = Draws("tube mask", seed, epoch, key, seen_before[key])
        seen_before[key] += 1
        order = np.argsort([draws.below(1 << 62) for _ in range(num_places)], kind="stable")
        masks[row, :, order[: int(masked * num_places)]] = True
    return masks


def to_patches(clips: torch.Tensor) -> torch.Tensor:
    """Return (N, 3, T, H, W) as (N, T / 2, H / 8 * W / 8, values of a patch)."""
    n, colours, frames, height, width = clips.shape
    cut = clips.reshape(
        n, colours, frames // FRAMES_OF_PATCH, FRAMES_OF_PATCH, height // PATCH, PATCH, width // PATCH, PATCH
    )
    return cut.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4).flatten(2, 3)


def main(shards: str) -> None:
    torch.manual_seed(0)
    values = 3 * FRAMES_OF_PATCH * PATCH * PATCH
    guess = nn.Linear(values, values)
    optimiser = torch.optim.SGD(guess.parameters(), lr=0.01)
    clip = vidprep.TrainClip(clip_len=8, crop_size=32)
    with vidprep.ClipLoader(shards, "train", clip=clip, batch_size=4) as loader:
        for number, batch in enumerate(loader):
            patches = to_patches(vidprep.to_network_input(batch))
            _, frames, places, _ = patches.shape
            side = clip.crop_size // PATCH
            hidden = tube_masks(
                batch.key, epoch=batch.epoch, frames=frames, height=side, width=side, masked=0.85
            )
            seen = patches[~hidden].view(len(batch), -1, values)
            wanted = patches[hidden].view(len(batch), -1, values)
            loss = (guess(seen.mean(1, keepdim=True)) - wanted).square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            num_seen = seen.shape[1] // frames
            print(
                f"batch {number}: {(len(batch), frames, places)} patches, {num_seen} of {places} places "
                f"are seen; loss {loss.item():.3f}"
            )


if __name__ == "__main__":
    main(sys.argv[1])
