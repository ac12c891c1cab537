"""The recipe: everything that decides a result, one frozen model per stage.

A pipeline file (`pipelines/<name>.toml`) is read into a `Recipe`, each of its tables into the model of a
stage. Default numbers come from Kobayashi & Ye, WACV 2024 (supplementary material, "Table A"); what other
references do instead is another value of a key.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from vidprep.recipes.augmentation import Augmentation
from vidprep.recipes.dataset_file import DatasetManifest
from vidprep.recipes.toml_models import Frozen

_LATER_KEYS = {"fold", "release", "target", "definition"}
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$", max_length=40)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(ge=0.01, le=1000)]


class DatasetStage(Frozen):
    """Which dataset, and which of its classes.

    Attributes:
        name: A dataset of `manifests/`.
        subset: A subset of `manifests/`, with its own label order; left out for a full dataset.
        classes: The class names themselves, instead of a published subset.
        fold: Number of the published train/validation split, where a dataset has several; None: the first.
        release: Name of the publication of its lists, where they differ; None: the first in its file.
        target: Name of the label to train on, where a sample has several; None: the first.
        definition: The dataset itself, if it is not in `manifests/`: read from a dataset file, or made from
            folders or lists of your own.
    """

    name: str
    subset: str | None = None
    classes: tuple[str, ...] = ()
    fold: int | None = None
    release: str | None = None
    target: str | None = None
    definition: DatasetManifest | None = None

    @field_validator("release", mode="before")
    @classmethod
    def _is_text(cls, release: object) -> object:
        """Take the number of a year for its name: `--set dataset.release=2018` is a number in TOML."""
        return str(release) if type(release) is int else release

    @model_serializer(mode="wrap")
    def _leave_out_later_keys(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that release 0.1 did not have, unless they are set: manifests keep their bytes."""
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key not in _LATER_KEYS or value is not None}

    @model_validator(mode="after")
    def _one_way_to_select(self) -> Self:
        if self.subset and self.classes:
            raise ValueError(f"give 'subset' or 'classes', not both; subset is '{self.subset}'")
        return self


class Transcode(Frozen):
    """How a raw video becomes a stored one.

    Attributes:
        mode: "encode", or "copy": the source's bytes, only remuxed to MP4 if they are in another container.
        short_side: Shorter side in pixels, as displayed (rotated, square pixels); even, at least 16.
        scaler: FFmpeg's scaling algorithm.
        encoder: "libx264" on the CPU (reproducible to the byte), or "h264_nvenc" where there is one.
        preset: The encoder's own speed name ("veryfast" for libx264, "p4" for h264_nvenc).
        crf: Constant quality, 0 to 51; a smaller value gives a better and larger video. h264_nvenc's `-cq`.
        gop: Frames from one key frame to the next; closed, without key frames at scene cuts.
        bframes: B-frames between reference frames; 0 makes packet order frame order.
        tune: libx264's tuning, or "none".
        partial: What to do with a video that decodes only in part: "reject", or "keep" the frames there are.
        min_frames: A video with fewer frames is rejected.
        timeout_seconds: Time limit for one video's FFmpeg; time in which it waits for a core does not count.
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
        seed: Seed of the shuffle that decides which video lies in which shard.
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
        fps: Frames a second of a dense clip, instead of `frame_step`, whatever the stored video's rate is.
        duration_seconds: What a dense clip spans, instead of `frame_step`: `clip_len` frames, evenly spread.
        clips_per_video: Random clips of a video, from one decode of it, that are adjacent in a batch.
        same_frames: Whether these show the same frames, each with its own crop and flip (repeated
            augmentation).
        spatial: "random_crop" of the stored frame, "short_side_jitter" (after its short side is scaled to
            256..320), "multi_scale" (fixed scales and places, as in TSN), or "random_resized_crop".
        scale: Least and greatest share of the frame's area that a "random_resized_crop" has.
        aspect_ratio: Least and greatest width / height of a "random_resized_crop".
        crop_size: Side of the square crop in pixels.
        flip: Horizontal flip of half of the clips, at random: "none", "all", or "safe": a class whose mirror
            image is another class then gets its label, or is not flipped if the set lacks that class.
    """

    clip_len: Positive = 32
    temporal: Literal["dense", "uniform", "uniform_ibm"] = "dense"
    frame_step: Positive = 1
    fps: Rate | None = None
    duration_seconds: Rate | None = None
    clips_per_video: Positive = 1
    same_frames: bool = False
    spatial: Literal["random_crop", "short_side_jitter", "multi_scale", "random_resized_crop"] = "random_crop"
    scale: tuple[float, float] = (0.08, 1.0)
    aspect_ratio: tuple[float, float] = (0.75, 4 / 3)
    crop_size: Positive = 224
    flip: Literal["none", "safe", "all"] = "none"

    @model_serializer(mode="wrap")
    def _leave_out_same_frames(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that release 0.1 did not have, unless they are set: manifests keep their bytes."""
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key != "same_frames" or value}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        _check_pace(self)
        if self.same_frames and self.clips_per_video == 1:
            raise ValueError("'same_frames' is for several clips of a video: set 'clips_per_video', too")
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"'scale' must be two shares of the area from above 0 to 1, got {self.scale}")
        if not 0 < self.aspect_ratio[0] <= self.aspect_ratio[1]:
            raise ValueError(f"'aspect_ratio' must be two ratios above 0, got {self.aspect_ratio}")
        return self


def _check_pace(clip: "TrainClip | EvalViews") -> None:
    """Refuse two ways to say how far apart the frames of a clip are."""
    given = [name for name in ("fps", "duration_seconds") if getattr(clip, name) is not None]
    if given and clip.temporal != "dense":
        raise ValueError(f'\'{given[0]}\' belongs to temporal = "dense", got "{clip.temporal}"')
    if len(given) + (clip.frame_step != 1) > 1:
        raise ValueError("give one of 'frame_step', 'fps' and 'duration_seconds'")


# How the chroma of stored videos is scaled to full size. "truncated" is what release 0.1 did: networks that
# it trained are trained further and evaluated with it. New ones get "linear".
Chroma = Literal["linear", "nearest", "truncated"]


class EvalViews(Frozen):
    """The views (clip x crop) of a video whose scores an evaluation sums.

    Attributes:
        clip_len: Frames of a clip.
        temporal: How clips are laid over the video; as in `TrainClip`, and "dense_ibm" (dense, with starts as
            in IBM's action-recognition-pytorch: up to two frames before ours).
        frame_step: Source frames from one frame of a dense clip to the next.
        fps: Frames a second of a dense clip, instead of `frame_step`; as in `TrainClip`.
        duration_seconds: What a dense clip spans, instead of `frame_step`; as in `TrainClip`.
        num_clips: Number of clips, spread evenly over the whole video.
        num_crops: Number of crops along the long side; 1 is the centre.
        crop_size: Side of the square crop in pixels.
        crops: Positions of the crops: "even" (both ends and the middle), or "ibm" (the three of IBM's code).
    """

    clip_len: Positive = 32
    temporal: Literal["dense", "dense_ibm", "uniform", "uniform_ibm"] = "dense"
    frame_step: Positive = 1
    fps: Rate | None = None
    duration_seconds: Rate | None = None
    num_clips: Positive = 3
    num_crops: Literal[1, 3] = 3
    crop_size: Positive = 256
    crops: Literal["even", "ibm"] = "even"

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        _check_pace(self)
        return self


class ModelStage(Frozen):
    """The network: an I3D-ResNet, or one that a function of your own makes from the table's other keys.

    Attributes:
        factory: "package.module:function" of your own, called with `num_classes` and all other keys of the
            table; the network it returns takes (B, 3, T, H, W) and gives (B, num_classes).
        arguments: The other keys of the table, collected; not to be written as a table of its own.
        depth: Layers of the 2D ResNet that it extends in time.
        width: Channels of its first convolution; 64 everywhere but in small demonstrations.
        temporal_taps: Frames that a kernel sees: 3, or 1 for a network blind to motion, to compare with.
        temporal_stride: Whether layer2, layer3 and layer4 each halve the number of frames.
        head: "per_frame" (classify each frame, average the logits), or "pool_first" (average, then classify).
        dropout: Dropout probability in front of the classifier.
        inflation: How pretrained 2D kernels get three taps: "mean" (each a third of the kernel: equal to the
            2D network on a still video), or "repeat" (each the whole kernel, as in IBM's code).
    """

    factory: Annotated[str | None, Field(pattern=r"^\w+(\.\w+)*:\w+$")] = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    depth: Literal[18, 34, 50, 101] = 50
    width: Positive = 64
    temporal_taps: Literal[1, 3] = 3
    temporal_stride: bool = False
    head: Literal["per_frame", "pool_first"] = "per_frame"
    dropout: float = Field(default=0.5, ge=0, lt=1)
    inflation: Literal["mean", "repeat"] = "mean"

    @model_validator(mode="before")
    @classmethod
    def _gather_arguments(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        if "arguments" in values:
            raise ValueError("'arguments' is not a key: write a factory's arguments into [model] itself")
        if not values.get("factory"):
            return values
        rest = {key: value for key, value in values.items() if key != "factory"}
        if "num_classes" in rest:
            raise ValueError("'num_classes' cannot be set: it is the number of the shards' classes")
        return {"factory": values["factory"], "arguments": rest}

    @model_serializer(mode="wrap")
    def _as_its_table(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write what the file said; without a factory, what release 0.1 wrote."""
        if self.factory is not None:
            return {"factory": self.factory, **self.arguments}
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key not in ("factory", "arguments")}

    @property
    def title(self) -> str:
        """What the network is called."""
        return self.factory or f"I3D-ResNet-{self.depth}"


class Optimisation(Frozen):
    """SGD and its schedule (Table A).

    Attributes:
        batch_size: Clips of one optimiser step, over all GPUs together.
        lr: Initial learning rate for that batch size.
        momentum: Momentum of SGD, without Nesterov.
        weight_decay: L2 weight decay of all parameters.
        schedule: "cosine" to 0, or "step".
        cosine_per: When "cosine" changes the learning rate: after each "iteration" or each "epoch".
        milestones: Epochs after which "step" multiplies the learning rate by `gamma`.
        gamma: Factor of the "step" schedule.
        epochs: Passes over the training split.
        ema_decay: Decay per step of an exponential moving average of the weights, e.g. 0.9999; checkpoints
            then hold the average, too. 0: no average.
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
    ema_decay: float = Field(default=0.0, ge=0, lt=1)

    @model_serializer(mode="wrap")
    def _leave_out_no_average(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that release 0.1 did not have, unless they are set: manifests keep their bytes."""
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key != "ema_decay" or value}

    @model_validator(mode="after")
    def _step_has_milestones(self) -> Self:
        if (self.schedule == "step") != bool(self.milestones):
            raise ValueError(
                f"'milestones' belong to schedule = \"step\" and to no other; got schedule = "
                f'"{self.schedule}" with milestones = {list(self.milestones)}'
            )
        return self


# Which weights of a training run: those of the last step, or their exponential moving average.
Weights = Literal["trained", "ema"]


class Validation(Frozen):
    """Whether and how the network is evaluated on the validation split while it is trained.

    Attributes:
        every: Evaluate after every so many epochs, and after the last one; 0: never.
        views: "centre" (the middle clip's middle crop of `eval_views`), or "all" of them.
        max_videos: Number of videos of the split to use, always the same ones; 0: all.
        weights: "trained", or "ema": their average (see `optimisation.ema_decay`). Also the default of
            `vidprep eval`.
    """

    every: int = Field(default=0, ge=0)
    views: Literal["centre", "all"] = "centre"
    max_videos: int = Field(default=0, ge=0)
    weights: Weights = "trained"

    @model_serializer(mode="wrap")
    def _leave_out_usual_weights(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key != "weights" or value != "trained"}


class Recipe(Frozen):
    """One pipeline from raw videos to a number.

    Attributes:
        name: What the shard set is called: its folder, its tars, its manifest.
        title: Name for people, in reports.
    """

    name: Name
    title: str
    dataset: DatasetStage
    transcode: Transcode = Transcode()
    shards: Sharding = Sharding()
    train_clip: TrainClip = TrainClip()
    augmentation: Augmentation = Augmentation()
    eval_views: EvalViews = EvalViews()
    model: ModelStage = ModelStage()
    optimisation: Optimisation = Optimisation()
    validation: Validation = Validation()

    @model_serializer(mode="wrap")
    def _leave_out_empty_augmentation(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out keys that release 0.1 did not have, unless they are set: manifests keep their bytes."""
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if key != "augmentation" or value}

    @model_validator(mode="after")
    def _has_weights_to_validate(self) -> Self:
        if self.validation.weights == "ema" and not self.optimisation.ema_decay:
            raise ValueError(
                "'validation.weights' is \"ema\", and no average is made: set 'optimisation.ema_decay', "
                "e.g. to 0.9999"
            )
        return self
