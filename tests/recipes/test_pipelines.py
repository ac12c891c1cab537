"""Pipeline files and overrides: complete, checked, and with errors that help."""

import pytest

from tests.helpers.paths import REPOSITORY
from vidprep.errors import RecipeError
from vidprep.recipes.manifests import read_subset
from vidprep.recipes.pipelines import pipeline_names, read_pipeline


def test_every_pipeline_reads():
    assert len(pipeline_names()) >= 4
    for name in pipeline_names():
        assert read_pipeline(name).name == name


# Kobayashi & Ye 2024, Table A.
TABLE_A = {
    "ssv2": (32, "cosine", (), 100, 3),
    "mini_ssv2": (24, "step", (15, 30), 35, 3),
    "k400": (32, "cosine", (), 100, 10),
    "mini_k400": (32, "step", (15, 30), 45, 10),
}


@pytest.mark.parametrize("name", TABLE_A)
def test_table_a(name):
    recipe = read_pipeline(name)
    sgd = recipe.optimisation
    views = recipe.eval_views
    assert (sgd.batch_size, sgd.schedule, sgd.milestones, sgd.epochs, views.num_clips) == TABLE_A[name]
    assert (sgd.lr, sgd.momentum, sgd.weight_decay) == (0.01, 0.9, 5e-4)
    assert (recipe.train_clip.clip_len, recipe.train_clip.crop_size) == (32, 224)
    assert (views.clip_len, views.crop_size, views.num_crops) == (32, 256, 3)


# IBM's action-recognition-pytorch: what it calls its published 32-frame I3D-ResNet-50 on each dataset.
IBM = {"ibm_ssv2": ("uniform_ibm", 1, 2, 35), "ibm_k400": ("dense", 2, 10, 45)}
IBM_EVAL = {"ibm_ssv2": ("uniform_ibm", 3), "ibm_k400": ("dense_ibm", 30)}  # and videos of so many frames


@pytest.mark.parametrize("name", ["ssv2", "mini_ssv2", "k400", "mini_k400"])
def test_what_the_supplement_does_not_name_is_called_our_choice(name):
    text = (REPOSITORY / f"pipelines/{name}.toml").read_text()
    head = text.partition("\n[")[0]
    for said in ("normalisation", "initial weights", "cosine", "SVD", "encoder", "not in the supplement"):
        assert said in head
    marked = [
        line.split(" = ")[0] for line in text.splitlines() if "not in the supplement; our choice" in line
    ]
    once = ["short_side", "frame_step", "flip", "frame_step", "head", "dropout", "inflation"]
    assert [key for key in marked if not key.startswith("#")] == once + ["cosine_per"] * ("mini" not in name)


@pytest.mark.parametrize("name", IBM)
def test_ibm_parity(name):
    recipe = read_pipeline(name)
    clip, views, model = recipe.train_clip, recipe.eval_views, recipe.model
    temporal, frame_step, num_clips, epochs = IBM[name]
    assert (clip.temporal, clip.frame_step) == (temporal, frame_step)
    assert views.frame_step == frame_step
    assert (views.temporal, recipe.transcode.min_frames) == IBM_EVAL[name]
    assert (clip.spatial, clip.flip, clip.crop_size) == ("multi_scale", "all", 224)
    assert (views.num_clips, views.num_crops, views.crops, views.crop_size) == (num_clips, 3, "ibm", 256)
    assert (model.depth, model.head, model.inflation) == (50, "per_frame", "repeat")
    assert (recipe.optimisation.epochs, recipe.dataset.name) == (epochs, name.removeprefix("ibm_"))
    assert recipe.dataset.subset is None and not model.temporal_stride


# What the papers' code has: sources stand at the head of each file.
RAND_AUGMENT = "rand-m7-n4-mstd0.5-inc1"
LOADING = {  # frames, step, clips of a video, crop, flip; views, clips of a batch, epochs
    "videomae_ssv2": (16, "uniform", 1, 1, 224, "none", (2, 3, 224), 512, 50),
    "videomae_k400": (16, "dense", 4, 2, 224, "all", (5, 3, 224), 768, 75),
    "slowfast_k400": (32, "dense", 2, 1, 224, "all", (10, 3, 256), 64, 196),
    "vjepa2_probe": (16, "dense", 4, 2, 256, "none", (2, 3, 256), 512, 20),
}


@pytest.mark.parametrize("name", LOADING)
def test_published_loading(name):
    recipe = read_pipeline(name)
    clip, views, stage, augmentation = (
        recipe.train_clip,
        recipe.eval_views,
        recipe.optimisation,
        recipe.augmentation,
    )
    found = (clip.clip_len, clip.temporal, clip.frame_step, clip.clips_per_video, clip.crop_size, clip.flip)
    of_views = (views.num_clips, views.num_crops, views.crop_size)
    assert (*found, of_views, stage.batch_size, stage.epochs) == LOADING[name]
    assert (views.clip_len, views.temporal, views.frame_step) == found[:3]
    assert clip.same_frames == (name == "videomae_k400")
    if name == "slowfast_k400":
        assert clip.spatial == "short_side_jitter" and not augmentation.is_on
        assert (stage.lr, stage.momentum, stage.weight_decay) == (0.1, 0.9, 1e-4)
        return
    assert (clip.spatial, clip.scale, clip.aspect_ratio) == ("random_resized_crop", (0.08, 1), (0.75, 1.3333))
    assert (augmentation.rand_augment, augmentation.erase_probability) == (RAND_AUGMENT, 0.25)
    mixes = (augmentation.mixup_alpha, augmentation.cutmix_alpha, augmentation.label_smoothing)
    assert mixes == ((0, 0, 0) if name == "vjepa2_probe" else (0.8, 1.0, 0.1))
    assert (augmentation.mix_probability, augmentation.cutmix_probability) == (1, 0.5)


def test_override_is_typed():
    recipe = read_pipeline("mini_k400", ["transcode.crf=20", "train_clip.flip=safe", "shards.seed=7"])
    assert (recipe.transcode.crf, recipe.train_clip.flip, recipe.shards.seed) == (20, "safe", 7)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "transcode.shortside=3",
            r"unknown key 'transcode.shortside'. Did you mean 'transcode.short_side'\?",
        ),
        ("transcode.short_side=255", "short_side must be an even number of at least 16, got 255"),
        ("train_clip.flip=maybe", "train_clip.flip: Input should be 'none', 'safe' or 'all', got 'maybe'"),
        ("optimisation.milestones=[3]", "'milestones' belong to schedule"),
        (
            "train_clip.same_frames=true",
            "'same_frames' is for several clips of a video",
        ),
        ("crf", "not of the form table.key=value"),
        ("name.x=2", "'name' is a value, not a table"),
    ],
)
def test_wrong_override(override, message):
    with pytest.raises(RecipeError, match=message):
        read_pipeline("ssv2", [override])


def test_unknown_pipeline_names_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'mini_k400'"):
        read_pipeline("mini-k400")


def test_subset_sizes():
    assert len(read_subset("mini_ssv2").labels.classes) == 87
    assert len(read_subset("mini_k400").labels.classes) == 200
