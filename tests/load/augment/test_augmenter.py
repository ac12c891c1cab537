"""Whole batches: the same on any number of ranks, and what the parts say one after another."""

import tomllib

import pytest
import torch
from torch.nn.functional import cross_entropy

import vidprep
from vidprep.load import Augmenter, ClipLoader, LoaderOptions, to_network_input
from vidprep.load.augment.erasing import draw_erased, erase
from vidprep.load.augment.mixing import draw_mixes, mix_clips
from vidprep.load.augment.policies import apply_operations, draw_operations
from vidprep.load.sampling.draws import Draws
from vidprep.load.transforms import IMAGENET_MEAN, IMAGENET_STD, to_rgb
from vidprep.recipes.augmentation import Augmentation
from vidprep.recipes.pipelines import format_recipe, override_recipe, read_pipeline
from vidprep.recipes.recipe import Recipe, TrainClip

INLINE = LoaderOptions(num_workers=0)
CLIP = TrainClip(clip_len=2, crop_size=32, frame_step=3)
ALL = Augmentation(
    brightness=0.4,
    hue=0.1,
    rand_augment="rand-m7-n4-mstd0.5-inc1",
    erase_probability=0.5,
    mixup_alpha=0.8,
    cutmix_alpha=1.0,
    label_smoothing=0.1,
)


def loader(shards, **changes):
    return ClipLoader(
        shards, "train", **{"clip": CLIP, "batch_size": 8, "seed": 5, "options": INLINE} | changes
    )


def test_no_rank_and_no_pass_makes_a_difference(shards):
    augment = Augmenter(ALL, num_classes=4, seed=5)
    whole = [augment(batch) for batch in loader(shards)]
    assert len(whole) == 3
    for world_size, batch_size in ((2, 8), (1, 4)):
        parts = [
            list(loader(shards, rank=rank, world_size=world_size, batch_size=batch_size, transform=augment))
            for rank in range(world_size)
        ]
        in_order = [part for step in zip(*parts, strict=True) for part in step]
        for number, batch in enumerate(whole):
            mine = in_order[2 * number : 2 * number + 2]
            assert torch.equal(torch.cat([part.video for part in mine]), batch.video)
            assert torch.equal(torch.cat([part.target for part in mine]), batch.target)


def test_the_epoch_decides(shards):
    augment = Augmenter(ALL, num_classes=4, seed=5)
    one = loader(shards, shuffle="none", clips="centre")  # the same clips in both
    first, second = ([augment(batch) for batch in one] for _ in range(2))
    assert not torch.equal(first[0].video, second[0].video)
    assert not torch.equal(first[0].target, second[0].target)
    one.seek(epoch=1, step=2)
    assert torch.equal(augment(next(iter(one))).video, second[2].video)


def test_it_is_its_parts_one_after_another(shards):
    batch = next(iter(loader(shards)))
    expected = []
    for clip, key in zip(to_rgb(batch), batch.key, strict=True):
        levels = apply_operations(clip.float(), draw_operations(ALL, 5, 0, key))
        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
        video = ((levels / 255 - mean) / std).transpose(0, 1).contiguous()
        if erased := draw_erased(0.5, (0.02, 1 / 3), 32, 32, Draws("erase", 5, 0, key)):
            erase(video, erased)
        expected.append(video)
    expected = torch.stack(expected)
    mix_clips(expected, draw_mixes(ALL, batch.key, seed=5, epoch=0, height=32, width=32))
    found = Augmenter(ALL, num_classes=4, seed=5)(batch)
    torch.testing.assert_close(found.video, expected, atol=1e-4, rtol=1e-4)
    assert found.video.is_contiguous(memory_format=torch.channels_last_3d)


def test_clips_of_any_loader(shards):
    augment = Augmenter(ALL, num_classes=4, seed=5)
    batch = next(iter(loader(shards)))
    video = to_rgb(batch).transpose(1, 2)
    other = augment.augment_clips(video, batch.label, batch.key, epoch=batch.epoch)
    torch.testing.assert_close(other.video, augment(batch).video)
    torch.testing.assert_close(other.target, augment(batch).target)


def test_clips_of_a_video_are_changed_each_in_its_own_way(shards):
    clip = CLIP.model_copy(update={"clips_per_video": 2})
    batch = next(iter(loader(shards, clip=clip)))
    only_colours = Augmentation(brightness=1.0)
    found = Augmenter(only_colours, num_classes=4)(batch).video - to_network_input(batch)
    assert not torch.allclose(found[0].mean(), found[1].mean(), atol=1e-3)
    mixed = Augmenter(Augmentation(mixup_alpha=1.0), num_classes=4)(batch)
    expected = batch.label.view(-1, 2, 2).transpose(1, 2).flatten(0, 1)  # of videos 0 and 1, 2 and 3
    for row, labels in zip((0, 1, 4, 5), expected, strict=True):
        assert set(mixed.shares[row].nonzero().flatten().tolist()) == set(labels.tolist())


def test_without_anything_it_is_the_plain_input(shards):
    batch = next(iter(loader(shards)))
    found = Augmenter(Augmentation(), num_classes=4, dtype=torch.bfloat16)(batch)
    assert torch.equal(found.video, to_network_input(batch, dtype=torch.bfloat16))
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(cross_entropy(logits, found.target), cross_entropy(logits, batch.label))


def test_label_smoothing_is_that_of_torch(shards):
    batch = next(iter(loader(shards)))
    found = Augmenter(Augmentation(label_smoothing=0.2), num_classes=4)(batch)
    logits = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    expected = cross_entropy(logits, batch.label, label_smoothing=0.2)
    torch.testing.assert_close(cross_entropy(logits, found.target), expected)


VIDEO = torch.zeros(2, 3, 1, 8, 8, dtype=torch.uint8)
LABEL = torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda: Augmenter(ALL, num_classes=0), "num_classes must be at least 1, got 0"),
        (lambda: Augmenter(ALL, num_classes=2, dtype=torch.uint8), "dtype must be a floating type, got"),
        (
            lambda: Augmenter(ALL, num_classes=2).augment_clips(VIDEO.float(), LABEL, "ab", epoch=0),
            r"video must be \(N, 3, T, H, W\) uint8, got \(2, 3, 1, 8, 8\) torch.float32",
        ),
        (
            lambda: Augmenter(ALL, num_classes=2).augment_clips(VIDEO, LABEL, "abc", epoch=0),
            "2 clips need as many labels and keys, got 2 and 3",
        ),
        (
            lambda: Augmenter(ALL, num_classes=1).augment_clips(VIDEO, LABEL, "ab", epoch=0),
            "Labels must be from 0 to num_classes - 1 = 0, got 1. Give the number of classes",
        ),
        (lambda: Augmentation(mixup_alpha=5), "mixup_alpha"),
        (lambda: Augmentation(erase_area=(0.5, 0.2)), "'erase_area' must be two shares of the frame"),
    ],
)
def test_what_does_not_fit_is_refused(use, message):
    with pytest.raises(ValueError, match=message):
        use()


def test_it_says_what_it_does():
    assert ALL.describe() == (
        "brightness 0.4, hue 0.1, RandAugment rand-m7-n4-mstd0.5-inc1, erasing 50%, Mixup 0.8, CutMix 1, "
        "label smoothing 0.1"
    )
    assert vidprep.Augmentation().describe() == "none" and not vidprep.Augmentation().is_on


def test_a_recipe_says_what_was_asked_for_and_manifests_stay_what_they_were():
    plain = read_pipeline("demo")
    assert "augmentation" not in plain.model_dump(mode="json")
    asked = override_recipe(plain, ["augmentation.mixup_alpha=0.8"], origin="demo")
    assert asked.model_dump(mode="json")["augmentation"] == {"mixup_alpha": 0.8}
    assert Recipe.model_validate(tomllib.loads(format_recipe(asked))) == asked
