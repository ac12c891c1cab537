"""Evaluate the network of train_your_own.py: `python examples/evaluate_your_own.py SHARDS own_network.pt`."""

import sys

import torch
from train_your_own import build_network

import vidprep


def main(shards_dir: str, weights_path: str) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shards = vidprep.ShardSet.open(shards_dir)
    network = build_network(len(shards.classes)).to(device).eval()
    network.load_state_dict(torch.load(weights_path, weights_only=True)["network"])
    views = vidprep.EvalViews(clip_len=4, crop_size=32, num_clips=3, num_crops=3)
    num_right = num_videos = 0
    with torch.inference_mode():
        for batch in vidprep.ViewLoader(
            shards, "validation", views=views
        ):  # a batch is the views of one video
            logits = network(vidprep.to_network_input(batch.to(device)))  # (9, num_classes)
            num_right += int(logits.sum(dim=0).argmax() == batch.label[0])
            num_videos += 1
    print(f"top-1 {num_right / num_videos:.1%} of {num_videos} videos")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
