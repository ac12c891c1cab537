"""Reasons to doubt the figures: classes in another order, accuracy near chance, one class predicted always.

A network whose classes are in another order gives the right class under a wrong number. Then another
numbering, found on nine tenths of the videos, makes the other tenth right; chance or a weak network does not.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from vidprep.harness.evaluation.pairing import mcnemar
from vidprep.harness.evaluation.scores import wilson_interval

NUM_VIDEOS = 200  # are looked at before the first warning

# The other numbering is far better if its accuracy is at least _TIMES the given one's plus _LEAST, or plus
# _GREAT, with McNemar's p below _P_VALUE. Less is no evidence: a weak network confuses the same classes again
# and again, and another numbering gains by it.
_TIMES, _LEAST, _GREAT = 3, 0.03, 0.25
_P_VALUE = 1e-4
_PARTS = 10

Ints = npt.NDArray[np.int64]


def is_permuted(labels: Ints, predicted: Ints) -> bool:
    """Tell whether another numbering of the classes makes far more videos right than the given one.

    It is found on nine tenths of the videos and tried on the others, ten times. At least two classes have to
    gain: a single one would gain in a network that predicts one class only, too.

    Args:
        labels: (N,) the true class of each video.
        predicted: (N,) the predicted class of each.
    """
    tenths = np.arange(len(labels)) % _PARTS
    renamed = predicted.copy()
    for tenth in range(_PARTS):
        others = tenths == tenth
        names = _numbering(labels[~others], predicted[~others])
        renamed[others] = [names.get(label, label) for label in predicted[others].tolist()]
    given, other = predicted == labels, renamed == labels
    gained = np.unique(labels[other & ~given])
    num_gained, num_lost = int((other & ~given).sum()), int((given & ~other).sum())
    far_above = other.mean() >= _TIMES * given.mean() + _LEAST or other.mean() >= given.mean() + _GREAT
    return bool(len(gained) >= 2 and far_above and mcnemar(num_gained, num_lost) < _P_VALUE)


class OrderWatch:
    """Looks at the first videos of an evaluation and warns once, hours before its end.

    Args:
        say: Called with the warning.
        names_classes: Whether the file of weights says what its classes are.
    """

    def __init__(self, say: Callable[[str], object], *, names_classes: bool) -> None:
        self._say, self._names_classes = say, names_classes
        self._seen: list[tuple[int, int]] = []

    def add(self, label: int, predicted: int) -> None:
        """Add a video's true and predicted class."""
        self._seen.append((label, predicted))
        if len(self._seen) == NUM_VIDEOS and is_permuted(*np.array(self._seen, dtype=np.int64).T):
            self._say(permuted_warning(self._names_classes))


def reasons_for_doubt(
    labels: Ints, predicted: Ints, classes: Sequence[str], *, names_classes: bool, may_turn: bool
) -> tuple[str, ...]:
    """Return why the figures of an evaluation should not be trusted, in sentences.

    Args:
        labels: (N,) the true class of each video.
        predicted: (N,) the predicted class of each.
        classes: Names of the classes.
        names_classes: Whether the file of weights says what its classes are.
        may_turn: Whether classes may rightly be taken for others, as under a probe.
    """
    if not may_turn and is_permuted(labels, predicted):
        return (permuted_warning(names_classes),)
    near = chance_warning(int((labels == predicted).sum()), labels, len(classes))
    return tuple(filter(None, (near, collapse_warning(labels, predicted, classes))))


def _numbering(labels: Ints, predicted: Ints) -> dict[int, int]:
    """Return the class that each predicted number seems to mean, no class twice; frequent pairs decide."""
    pairs = Counter(zip(predicted.tolist(), labels.tolist(), strict=True))
    names: dict[int, int] = {}
    taken: set[int] = set()
    # Of pairs that are equally frequent, the one that leaves a number as it is comes first.
    for (number, label), _ in sorted(
        pairs.items(), key=lambda pair: (-pair[1], pair[0][0] != pair[0][1], pair[0])
    ):
        if number not in names and label not in taken:
            names[number] = label
            taken.add(label)
    return names


def permuted_warning(names_classes: bool) -> str:
    """Return the warning about a network whose classes seem to have other numbers.

    Args:
        names_classes: Whether the file of weights says what its classes are.
    """
    remedy = (
        "the labels of the shards seem to be wrong: compare classes.json with the annotation"
        if names_classes
        else "give the order of its classes with --classes FILE (one name a line; or uniformer_k400)"
    )
    return (
        "The network gives right classes under wrong numbers: with another order of the classes far more "
        f"videos would be right. These are no figures to report; {remedy}."
    )


def chance_warning(num_right: int, labels: Ints, num_classes: int) -> str | None:
    """Return a warning if a network is no better than always naming one class, else None."""
    most = max(1 / num_classes, float(np.bincount(labels).max()) / len(labels))
    low, high = wilson_interval(num_right / len(labels), len(labels))
    if low > most:
        return None
    return (
        f"Near chance: top-1 is {num_right / len(labels):.2%} (95 %: {low:.2%} to {high:.2%}), and naming "
        f"one class for every video gives {most:.2%}. This shows nothing that the network has learnt."
    )


def collapse_warning(labels: Ints, predicted: Ints, classes: Sequence[str]) -> str | None:
    """Return a warning if a network predicts the same class for most videos, else None."""
    most = int(np.bincount(predicted, minlength=len(classes)).argmax())
    named, true = float((predicted == most).mean()), float((labels == most).mean())
    if not is_collapse(named, true):
        return None
    return (
        f"{named:.0%} of the videos are taken for one class, '{classes[most]}', and {true:.0%} are of it: "
        "the network hardly tells them apart."
    )


def is_collapse(named: float, true: float) -> bool:
    """Tell whether a class is predicted too often: for half of the videos, and twice as often as it occurs.

    Args:
        named: Share of the videos, 0 to 1, for which it is predicted.
        true: Share of the videos that are of the class.
    """
    return named >= max(0.5, min(1.0, 2 * true)) and named > true
