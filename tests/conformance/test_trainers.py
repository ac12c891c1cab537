"""Other people's trainers: three epochs, every video evaluated once, and a resume that changes nothing."""

import torch
from torch import nn

from tests.conformance.conftest import CLIP, IDS, NUM_CLASSES, VIEWS, needs, rows_of, run_recipe

NUM_STEPS = 3  # 13 videos in batches of 4


def tiny_network():
    torch.manual_seed(0)
    layers = [nn.Conv3d(3, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4, NUM_CLASSES))


def assert_same_weights(some, others):
    for (name, a), b in zip(some.state_dict().items(), others.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_torchdata(shards):
    needs("torchdata.stateful_dataloader")
    names = {"SHARDS": str(shards), "CLIP": CLIP}
    loader, seen, states = run_recipe("train_stateful", **names)["loader"], [], []
    for _ in range(3):
        for given in loader:
            seen.append(given)
            states.append(loader.state_dict())
    assert len(seen) == 3 * NUM_STEPS
    assert len({tuple(given["key"]) for given in seen}) == len(seen)
    again = run_recipe("train_stateful", **names)["loader"]
    again.load_state_dict(states[4])
    rest = list(again)
    rest += list(again)
    assert [given["key"] for given in rest[:4]] == [given["key"] for given in seen[5:]]
    assert all(torch.equal(a["video"], b["video"]) for a, b in zip(rest, seen[5:], strict=False))


def test_accelerate(shards, tmp_path):
    needs("accelerate")
    names = {"SHARDS": str(shards), "CLIP": CLIP, "OUT": str(tmp_path / "a")}
    whole = run_recipe("train_accelerate", **names, MODEL=tiny_network(), RESUME=None)
    assert whole["clips"].epoch == 3
    saved = str(tmp_path / "a" / "1-1")
    names["OUT"] = str(tmp_path / "b")
    resumed = run_recipe("train_accelerate", **names, MODEL=tiny_network(), RESUME=saved)
    assert len(list((tmp_path / "b").iterdir())) == 3 * NUM_STEPS - NUM_STEPS - 1
    assert_same_weights(whole["model"], resumed["model"])


def lightning_network():
    import lightning

    class Network(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net, self.seen, self.evaluated = tiny_network(), [], []

        def training_step(self, given, number):
            self.seen.append((self.current_epoch, given["key"]))
            return nn.functional.cross_entropy(self.net(given["video"].float() / 255), given["label"])

        def validation_step(self, given, number):
            self.evaluated += given["key"]

        def configure_optimizers(self):
            return torch.optim.SGD(self.net.parameters(), lr=0.01)

    return Network()


def test_lightning(shards, tmp_path):
    needs("lightning")
    names = {"SHARDS": str(shards), "CLIP": CLIP, "VIEWS": VIEWS, "OUT": str(tmp_path)}
    whole = lightning_network()
    run_recipe("train_lightning", **names, MODEL=whole, RESUME=None)
    assert [epoch for epoch, _ in whole.seen] == [0] * NUM_STEPS + [1] * NUM_STEPS + [2] * NUM_STEPS
    keys = sorted(rows_of(shards, "validation"))
    assert sorted(whole.evaluated[-len(keys) :]) == keys
    resumed = lightning_network()
    run_recipe("train_lightning", **names, MODEL=resumed, RESUME=str(tmp_path / "step=4.ckpt"))
    assert resumed.seen == whole.seen[4:]
    assert_same_weights(whole, resumed)


def videomae():
    import transformers

    torch.manual_seed(0)
    config = transformers.VideoMAEConfig(
        image_size=32,
        num_frames=4,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        num_labels=NUM_CLASSES,
        use_mean_pooling=False,
    )
    return transformers.VideoMAEForVideoClassification(config)


def test_transformers(shards, tmp_path):
    needs("transformers", "accelerate")
    import transformers

    def run(out, resume):
        arguments = transformers.TrainingArguments(
            str(out),
            num_train_epochs=3,
            save_steps=1,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            eval_strategy="epoch",
        )
        names = {"SHARDS": str(shards), "CLIP": CLIP, "VIEWS": VIEWS}
        return run_recipe(
            "train_transformers", **names, MODEL=videomae(), ARGUMENTS=arguments, RESUME=resume
        )["trainer"]

    whole = run(tmp_path / "a", None)
    assert whole.state.global_step == 3 * NUM_STEPS
    evaluated = whole.predict(whole.eval_dataset)
    assert evaluated.label_ids.tolist() == [row["label"] for row in rows_of(shards, "validation").values()]
    resumed = run(tmp_path / "b", str(tmp_path / "a" / "checkpoint-4"))
    assert_same_weights(whole.model, resumed.model)
    assert resumed.train_dataset.stats().num_clips == 4 * (
        3 * NUM_STEPS - 4
    )  # nothing is decoded to be skipped


def test_mmaction2(shards):
    needs("mmengine", "mmcv", "mmaction")
    loader = run_recipe("train_mmaction2", SHARDS=str(shards))["loader"]
    rows = rows_of(shards, "train")
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        seen = []
        for given in loader:
            for video, facts in zip(given["inputs"], given["data_samples"], strict=True):
                assert video.shape == (1, 3, 4, 32, 32)
                seen.append(int(facts.gt_label))
        assert sorted(seen) == sorted(row["label"] for row in rows.values())
    assert len(loader.dataset) == len(IDS)
