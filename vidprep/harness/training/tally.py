"""Losses and accuracies of the steps since the last line of metrics, without making a GPU wait for each."""

import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from vidprep.errors import HarnessError
from vidprep.harness.ranks import Ranks


class StepResult(NamedTuple):
    """One optimiser step on this rank.

    Attributes:
        loss: Sum of the clips' cross-entropies, on the device.
        num_correct: Number of clips whose highest logit is that of their label, on the device.
        keys: Keys of the clips.
        waited: Seconds in which the step waited for clips.
    """

    loss: torch.Tensor
    num_correct: torch.Tensor
    keys: tuple[str, ...]
    waited: float


@dataclass
class Tally:
    """Sums over steps; `settle` brings them from the device and from all ranks.

    Attributes:
        loss: Sum of the clips' losses, over all ranks.
        num_correct: Number of clips whose class was predicted, over all ranks.
        num_clips: Number of clips, over all ranks.
        seconds: Seconds that these steps took.
        waited: Seconds of these in which this rank waited for clips.
        total_seconds: Seconds of training since the run began.
    """

    loss: float = 0.0
    num_correct: float = 0.0
    num_clips: float = 0.0
    seconds: float = 0.0
    waited: float = 0.0
    total_seconds: float = 0.0
    _open: list[StepResult] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)

    def add(self, result: StepResult) -> None:
        """Add a step, without waiting until the device has computed its numbers."""
        self._open.append(result)
        self.waited += result.waited

    def start_clock(self) -> None:
        """Leave out the time that passed since the last call of `settle`."""
        self._since = time.perf_counter()

    def settle(self, ranks: Ranks) -> None:
        """Sum the steps added since the last call over all ranks; every rank has to call it.

        Raises:
            HarnessError: If a loss is not finite; the message names this rank's clips of that step.
        """
        if not self._open:
            return
        mine = torch.stack(
            [torch.stack([step.loss.double(), step.num_correct.double()]) for step in self._open]
        )
        counts = torch.tensor([float(len(step.keys)) for step in self._open], dtype=torch.float64)
        mine = torch.cat([mine.cpu(), counts[:, None]], dim=1)
        everyones = ranks.sum(mine)
        _check_finite(everyones[:, 0], mine[:, 0], self._open)
        for (
            loss,
            num_correct,
            num_clips,
        ) in everyones.tolist():  # one by one: the order of sums is part of a result
            self.loss += loss
            self.num_correct += num_correct
            self.num_clips += num_clips
        self._open.clear()
        now = time.perf_counter()
        self.seconds += now - self._since
        self.total_seconds += now - self._since
        self._since = now

    def take_line(self) -> dict[str, float]:
        """Return the means since the last call, as metrics.jsonl has them, and begin anew."""
        line = {
            "loss": self.loss / max(1.0, self.num_clips),
            "top1": self.num_correct / max(1.0, self.num_clips),
            "clips_per_second": self.num_clips / self.seconds,
            "data_wait": min(1.0, self.waited / self.seconds),
            "seconds": self.total_seconds,
        }
        self.loss = self.num_correct = self.num_clips = self.seconds = self.waited = 0.0
        return line

    def state_dict(self) -> dict[str, float]:
        """Return the settled sums: what a resumed run needs to write the same lines."""
        assert not self._open, "settle first"
        return {name: getattr(self, name) for name in _SUMS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from saved sums."""
        for name in _SUMS:
            setattr(self, name, float(state[name]))


_SUMS = ("loss", "num_correct", "num_clips", "seconds", "waited", "total_seconds")


def _check_finite(everyones: torch.Tensor, mine: torch.Tensor, steps: list[StepResult]) -> None:
    """Stop at the first step whose loss is no number on any rank."""
    wrong = (~everyones.isfinite()).nonzero().flatten().tolist()
    if not wrong:
        return
    step = wrong[0]
    if mine[step].isfinite():
        where = "on another process, whose message names its clips"
    else:
        where = f"with the clips {', '.join(steps[step].keys)}"
    raise HarnessError(
        f"The loss is {everyones[step].item()} {where}. The last checkpoint was saved before that. Look at "
        "these videos, lower the learning rate (--set optimisation.lr=...), or train with --precision fp32."
    )
