"""The recipe: everything that decides a result, one frozen model per stage.

A pipeline file (`pipelines/<name>.toml`) is read into a `Recipe`; a stage gets its own model, no more.
Numbers come from Kobayashi & Ye, WACV 2024 (supplementary material); alternatives that the references use
are values of a key, never another code path for the user to find.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from vidprep.recipes.toml_models import Frozen

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=40)]
Positive = Annotated[int, Field(ge=1)]


class DatasetStage(Frozen):
    """Which dataset, and which of its classes.

    Attributes:
        name: A dataset of `manifests/`.
        subset: A subset of `manifests/`, with its own label order; left out for a full dataset.
        classes: The class names themselves, instead of a published subset.
    """

    name: str
    subset: str | None = None
    classes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        if self.subset and self.classes:
            raise ValueError(f"give 'subset' or 'classes', not both; subset is '{self.subset}'")
        return self


class Transcode(Frozen):
    """How a raw video becomes a stored one.

    Attributes:
        mode: "encode", or "copy": source bytes, remuxed to MP4 only when the container is another.
        short_side: Pixels of the shorter side after display rotation and square pixels; even, at least 16.
        scaler: FFmpeg's scaling algorithm.
        encoder: "libx264" on the CPU (reproducible to the byte), or "h264_nvenc" where there is one.
        preset: The encoder's own speed name ("veryfast" for libx264, "p4" for h264_nvenc).
        crf: Constant quality, 0 to 51; smaller is better and larger. Becomes `-cq` of h264_nvenc.
        gop: Frames from one key frame to the next; closed, without key frames at scene cuts.
        bframes: B-frames between reference frames; 0 makes packet order frame order.
        tune: libx264's tuning, or "none".
        partial: What to do with a video that decodes only in part: "reject", or "keep" the frames there are.
        min_frames: A video with fewer frames is rejected.
        timeout_seconds: Wall-clock limit for one video's FFmpeg.
        memory_mb: Address-space limit for one video's FFmpeg, in MiB.
    """

    mode: Literal["encode", "copy"] = "encode"
    short_side: int = Field(default=256, ge=16)
    scaler: Literal["bilinear", "bicubic", "area", "lanczos"] = "bicubic"
    encoder: Literal["libx264", "h264_nvenc"] = "libx264"
    preset: str = "veryfast"
    crf: int = Field(default=23, ge=0, le=51)
    gop: Positive = 16
    bframes: int = Field(default=0, ge=0, le=16)
    tune: str = "fastdecode"
    partial: Literal["reject", "keep"] = "reject"
    min_frames: Positive = 1
    timeout_seconds: float = Field(default=300.0, gt=0)
    memory_mb: int = Field(default=4096, ge=64)

    @model_validator(mode="after")
    def _short_side_is_even(self) -> Self:
        if self.short_side % 2:
            raise ValueError(f"short_side must be an even number of at least 16, got {self.short_side}")
        return self


class Sharding(Frozen):
    """How samples are spread over tar files.

    Attributes:
        samples_per_shard: Videos planned for one shard; rejected ones leave it smaller.
        seed: Of the shuffle that decides which video lies in which shard.
    """

    samples_per_shard: Positive = 250
    seed: int = Field(default=0, ge=0)


class TrainClip(Frozen):
    """Which frames and pixels of a video make a training clip.

    Attributes:
        clip_len: Frames of a clip.
        temporal: "dense" (`frame_step` apart, random start), "uniform" (one random frame of each of
            `clip_len` equal segments), or "uniform_ibm" (as IBM's action-recognition-pytorch draws them).
        frame_step: Source frames from one frame of a dense clip to the next.
        spatial: "random_crop" of the short-side-256 frame, "short_side_jitter" 256..320, or "multi_scale".
        crop_size: Side of the square crop in pixels.
        flip: Horizontal flip: "none", "safe" (classes that name a direction are swapped or left), or "all".
    """

    clip_len: Positive = 32
    temporal: Literal["dense", "uniform", "uniform_ibm"] = "dense"
    frame_step: Positive = 1
    spatial: Literal["random_crop", "short_side_jitter", "multi_scale"] = "random_crop"
    crop_size: Positive = 224
    flip: Literal["none", "safe", "all"] = "none"


# How colours of stored videos become RGB. "truncated" is what release 0.1 did: networks that it trained are
# trained on and evaluated with it. New ones get "linear".
Chroma = Literal["linear", "nearest", "truncated"]


class EvalViews(Frozen):
    """Which views (clip x crop) of a video an evaluation sums over.

    Attributes:
        clip_len: Frames of a clip.
        temporal: How clips are laid over the video; as in `TrainClip`.
        frame_step: Source frames from one frame of a dense clip to the next.
        num_clips: Clips, spread evenly over the whole video.
        num_crops: Crops along the long side; 1 is the centre.
        crop_size: Side of the square crop in pixels.
        crops: "even" (both ends and the middle), or "ibm" (that code's own three positions).
    """

    clip_len: Positive = 32
    temporal: Literal["dense", "uniform", "uniform_ibm"] = "dense"
    frame_step: Positive = 1
    num_clips: Positive = 3
    num_crops: Literal[1, 3] = 3
    crop_size: Positive = 256
    crops: Literal["even", "ibm"] = "even"


class ModelStage(Frozen):
    """The network, an I3D-ResNet.

    Attributes:
        depth: Of the 2D ResNet that it extends in time.
        width: Channels of its first convolution; 64 everywhere but in small demonstrations.
        temporal_taps: Frames that a kernel sees: 3, or 1 for a network blind to motion, to compare with.
        temporal_stride: Halve the number of frames in layer2, layer3 and layer4.
        head: "per_frame" (classify each frame, average the logits), or "pool_first" (average, then classify).
        dropout: Probability, in front of the classifier.
        inflation: How 2D weights get three taps: "mean" (a third each: equal to the 2D network on a still
            video), or "repeat" (each tap the whole, as IBM's action-recognition-pytorch does).
    """

    depth: Literal[18, 34, 50, 101] = 50
    width: Positive = 64
    temporal_taps: Literal[1, 3] = 3
    temporal_stride: bool = False
    head: Literal["per_frame", "pool_first"] = "per_frame"
    dropout: float = Field(default=0.5, ge=0, lt=1)
    inflation: Literal["mean", "repeat"] = "mean"


class Optimisation(Frozen):
    """SGD and its schedule (Table A).

    Attributes:
        batch_size: Clips of one optimiser step, over all GPUs together.
        lr: Initial learning rate for that batch size.
        momentum: Of SGD, without Nesterov.
        weight_decay: On all parameters.
        schedule: "cosine" to 0, or "step".
        cosine_per: What a cosine step is: "iteration" or "epoch".
        milestones: Epochs after which "step" multiplies the learning rate by `gamma`.
        gamma: That factor.
        epochs: Passes over the training split.
    """

    batch_size: Positive = 32
    lr: float = Field(default=0.01, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    schedule: Literal["cosine", "step"] = "cosine"
    cosine_per: Literal["iteration", "epoch"] = "iteration"
    milestones: tuple[Positive, ...] = ()
    gamma: float = Field(default=0.1, gt=0)
    epochs: Positive = 100

    @model_validator(mode="after")
    def _step_has_milestones(self) -> Self:
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError(
                f"'milestones' belong to schedule = \"step\" and to no other; got schedule = "
                f'"{self.schedule}" with milestones = {list(self.milestones)}'
            )
        return self


class Recipe(Frozen):
    """One pipeline from raw videos to a number.

    Attributes:
        name: Of the shard set: its folder, its tars, its manifest.
        title: For people.
    """

    name: Name
    title: str
    dataset: DatasetStage
    transcode: Transcode = Transcode()
    shards: Sharding = Sharding()
    train_clip: TrainClip = TrainClip()
    eval_views: EvalViews = EvalViews()
    model: ModelStage = ModelStage()
    optimisation: Optimisation = Optimisation()
