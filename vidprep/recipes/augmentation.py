"""Augmentation of training clips on the device, after crop and flip; off by default."""

import re
from typing import Annotated, Any, NamedTuple, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from vidprep.recipes.toml_models import Frozen

Factor = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Alpha = Annotated[float, Field(ge=0, le=4)]
_MAX_MAGNITUDE = 10
_RAND_AUGMENT = re.compile(r"rand-m(\d+)-n([1-9]\d?)(?:-mstd(\d+(?:\.\d+)?))?-inc1")


class RandAugment(NamedTuple):
    """RandAugment's settings.

    Attributes:
        magnitude: How strong operations are on average, 0 to 10.
        num_layers: Operations drawn for a clip; each is carried out with probability 0.5.
        magnitude_std: Standard deviation of the magnitude from operation to operation.
    """

    magnitude: float
    num_layers: int
    magnitude_std: float


class Augmentation(Frozen):
    """Random changes of each training clip on the device, the same for all of its frames.

    Attributes:
        brightness: Colours are multiplied by a factor from 1 - `brightness` to 1 + `brightness`.
        contrast: Likewise for the distance of colours from the frame's mean grey.
        saturation: Likewise for the distance of colours from the pixel's own grey.
        hue: The hue is turned by up to this share of the circle, either way; at most 0.5.
        rand_augment: RandAugment for videos, as SlowFast and VideoMAE write it: "rand-m7-n4-mstd0.5-inc1" is
            4 operations of magnitude 7 with deviation 0.5, stronger with the magnitude.
        erase_probability: Probability that a rectangle of a clip, the same in all frames, becomes noise.
        erase_area: Least and greatest share of the frame that the rectangle covers.
        mixup_alpha: Mixup: two neighbouring videos of a batch are blended, with a share drawn from
            Beta(alpha, alpha). 0: never.
        cutmix_alpha: CutMix: each of the two gets a rectangle of the other, whose share of the frame is drawn
            likewise. 0: never.
        mix_probability: Probability that two neighbours are mixed at all.
        cutmix_probability: Probability of CutMix instead of Mixup, where both alphas are above 0.
        label_smoothing: Share of the label that is spread over all classes.
    """

    brightness: Factor = 0.0
    contrast: Factor = 0.0
    saturation: Factor = 0.0
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    rand_augment: str | None = None
    erase_probability: Probability = 0.0
    erase_area: tuple[float, float] = (0.02, 1 / 3)
    mixup_alpha: Alpha = 0.0
    cutmix_alpha: Alpha = 0.0
    mix_probability: Probability = 1.0
    cutmix_probability: Probability = 0.5
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if getattr(self, key) != _default(key)}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        self.rand_augment_settings()
        if not 0 < self.erase_area[0] <= self.erase_area[1] < 1:
            raise ValueError(
                f"'erase_area' must be two shares of the frame between 0 and 1, got {self.erase_area}"
            )
        return self

    def rand_augment_settings(self) -> RandAugment | None:
        """Return what `rand_augment` says, or None without it."""
        if self.rand_augment is None:
            return None
        found = _RAND_AUGMENT.fullmatch(self.rand_augment)
        if found is None or int(found[1]) > _MAX_MAGNITUDE:
            raise ValueError(
                "'rand_augment' must be like \"rand-m7-n4-mstd0.5-inc1\" (magnitude 0 to 10, layers, "
                f'deviation; always with inc1), got "{self.rand_augment}"'
            )
        return RandAugment(float(found[1]), int(found[2]), float(found[3] or 0))

    @property
    def changes_pixels(self) -> bool:
        """Whether anything is done to the colours or places of a clip's pixels, before erasing and mixing."""
        return self.jitters or self.rand_augment is not None

    @property
    def jitters(self) -> bool:
        """Whether brightness, contrast, saturation or hue is drawn."""
        return any((self.brightness, self.contrast, self.saturation, self.hue))

    @property
    def mixes(self) -> bool:
        """Whether neighbouring videos are mixed."""
        return self.mix_probability > 0 and (self.mixup_alpha > 0 or self.cutmix_alpha > 0)

    @property
    def is_on(self) -> bool:
        """Whether a clip or its label may be changed at all."""
        return self.changes_pixels or self.erase_probability > 0 or self.mixes or self.label_smoothing > 0

    def describe(self) -> str:
        """Return a short description of what is on."""
        parts = [
            f"{name} {value:g}"
            for name, value in (
                ("brightness", self.brightness),
                ("contrast", self.contrast),
                ("saturation", self.saturation),
                ("hue", self.hue),
            )
            if value
        ]
        if self.rand_augment is not None:
            parts.append(f"RandAugment {self.rand_augment}")
        if self.erase_probability:
            parts.append(f"erasing {self.erase_probability:.0%}")
        if self.mixes:
            both = (("Mixup", self.mixup_alpha), ("CutMix", self.cutmix_alpha))
            parts += [f"{name} {alpha:g}" for name, alpha in both if alpha]
        if self.label_smoothing:
            parts.append(f"label smoothing {self.label_smoothing:g}")
        return ", ".join(parts) or "none"


def _default(key: str) -> Any:
    return Augmentation.model_fields[key].default
