"""Which pixels of a frame a crop shows: integers in, integers out.

A box is cut out of the stored frame and, where it is not `crop_size` square, resized to that by
`vidprep.load.transforms` afterwards. So resizing a whole frame and cutting a square of it out, as
`short_side_jitter` is usually written, is here cutting a smaller square out and resizing only that.
"""

import math

from vidprep.load.sampling.draws import Draws
from vidprep.load.sampling.views import Box
from vidprep.recipes.recipe import EvalViews, TrainClip

# "IBM" below is IBM/action-recognition-pytorch (Chen et al. 2021), whose augmentations have two versions.
# Short sides of "short_side_jitter", both ends included (IBM, v2).
JITTER_SHORT_SIDES = (256, 320)
# "multi_scale" (IBM, v1, after TSN): sides relative to the frame's short side ...
MULTI_SCALES = (1.0, 0.875, 0.75, 0.66)
# ... and the 13 places of a box, in quarters of the room there is, as (x, y).
MULTI_SCALE_PLACES = (
    *((0, 0), (4, 0), (0, 4), (4, 4), (2, 2)),
    *((0, 2), (4, 2), (2, 4), (2, 0)),
    *((1, 1), (3, 1), (1, 3), (3, 3)),
)
_RESIZED_CROP_ATTEMPTS = 10


def train_box(clip: TrainClip, width: int, height: int, draws: Draws) -> Box:
    """Return one random training crop of a frame of `width` x `height`.

    Raises:
        ValueError: If the crop does not fit into the frame.
    """
    if clip.spatial == "random_resized_crop":
        return _random_resized_crop(clip, width, height, draws)
    return _TRAIN[clip.spatial](clip.crop_size, width, height, draws)


def centre_box(clip: TrainClip, width: int, height: int) -> Box:
    """Return the `crop_size` square in the middle of a frame; `clip.spatial` does not matter.

    Raises:
        ValueError: If it does not fit into the frame.
    """
    return eval_boxes(EvalViews(crop_size=clip.crop_size, num_crops=1), width, height)[0]


def _random_resized_crop(clip: TrainClip, width: int, height: int, draws: Draws) -> Box:
    """Draw a box of random area and shape, resized to a square later; the middle, if ten do not fit.

    Areas are uniform, the logarithm of width / height is: torchvision's RandomResizedCrop, after Szegedy et
    al. 2015. A draw has 2**32 steps.
    """
    log_ratio = math.log(clip.aspect_ratio[0]), math.log(clip.aspect_ratio[1])
    for _ in range(_RESIZED_CROP_ATTEMPTS):
        area = width * height * _between(*clip.scale, draws)
        ratio = math.exp(_between(*log_ratio, draws))
        box_width, box_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            top = draws.below(height - box_height + 1)
            return Box(top, draws.below(width - box_width + 1), box_height, box_width)
    low, high = clip.aspect_ratio
    box_width = round(height * high) if width / height > high else width
    box_height = round(width / low) if width / height < low else height
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def _between(low: float, high: float, draws: Draws) -> float:
    return low + (high - low) * draws.below(1 << 32) / (1 << 32)


def _random_crop(crop_size: int, width: int, height: int, draws: Draws) -> Box:
    _check_fits(crop_size, width, height)
    left = draws.below(width - crop_size + 1)
    top = draws.below(height - crop_size + 1)
    return Box(top, left, crop_size, crop_size)


def _short_side_jitter(crop_size: int, width: int, height: int, draws: Draws) -> Box:
    """A `crop_size` square of the frame resized to short side s is a crop_size * short / s square of it."""
    low, high = JITTER_SHORT_SIDES
    short_side = low + draws.below(high - low + 1)
    return _random_crop(round(crop_size * min(width, height) / short_side), width, height, draws)


def _multi_scale(crop_size: int, width: int, height: int, draws: Draws) -> Box:
    sizes = multi_scale_sizes(crop_size, min(width, height))
    box_height, box_width = sizes[draws.below(len(sizes))]
    x, y = MULTI_SCALE_PLACES[draws.below(len(MULTI_SCALE_PLACES))]
    return Box(y * ((height - box_height) // 4), x * ((width - box_width) // 4), box_height, box_width)


def multi_scale_sizes(crop_size: int, short_side: int) -> list[tuple[int, int]]:
    """Return the (height, width) of every "multi_scale" box: the same scale or neighbouring ones."""
    sides = [int(short_side * scale) for scale in MULTI_SCALES]
    # Closer than 3 pixels to the crop's own size is not worth a resize (IBM, as in TSN).
    sides = [crop_size if abs(side - crop_size) < 3 else side for side in sides]
    return [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]


_TRAIN = {
    "random_crop": _random_crop,
    "short_side_jitter": _short_side_jitter,
    "multi_scale": _multi_scale,
}


def largest_train_side(clip: TrainClip, width: int, height: int) -> int:
    """Return the longest side that a training crop of such a frame can have.

    Raises:
        ValueError: If there is a crop that does not fit into the frame.
    """
    if clip.spatial == "random_resized_crop":  # resized to crop_size, so a frame of any size will do
        return max(width, height)
    short_side = min(width, height)
    side = clip.crop_size
    if clip.spatial == "multi_scale":
        side = max(max(size) for size in multi_scale_sizes(clip.crop_size, short_side))
    elif clip.spatial == "short_side_jitter":
        side = round(clip.crop_size * short_side / JITTER_SHORT_SIDES[0])
    _check_fits(side, width, height)
    return side


def eval_boxes(views: EvalViews, width: int, height: int) -> list[Box]:
    """Return the evaluation crops of a frame, along its long side; one crop is the centre.

        crop_size=256, 455x256 -> x = 0, 99, 199;  with crops = "ibm": x = 0, 196, 98

    "ibm" takes the places, and the order, of IBM/action-recognition-pytorch.

    Raises:
        ValueError: If the crop does not fit into the frame.
    """
    size = views.crop_size
    _check_fits(size, width, height)
    room_x, room_y = width - size, height - size
    if views.num_crops == 1:
        return [Box(room_y // 2, room_x // 2, size, size)]
    if views.crops == "ibm":
        places = [(q * (room_x // 4), 2 * (room_y // 4)) for q in (0, 4, 2)]
        if width < height:
            places = [(2 * (room_x // 4), q * (room_y // 4)) for q in (0, 4, 2)]
    elif width < height:
        places = [(room_x // 2, y) for y in (0, room_y // 2, room_y)]
    else:
        places = [(x, room_y // 2) for x in (0, room_x // 2, room_x)]
    return [Box(y, x, size, size) for x, y in places]


def _check_fits(crop_size: int, width: int, height: int) -> None:
    if crop_size > min(width, height):
        raise ValueError(
            f"crop_size {crop_size} does not fit into a {width}x{height} frame. "
            "Use a smaller crop_size, or shards with a larger short_side."
        )
