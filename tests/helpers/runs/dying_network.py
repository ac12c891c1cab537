"""A network for `[model] factory` whose process is killed in mid-training, once.

The environment says which process dies, and when; nothing is killed without it.
"""

import os
import signal
from pathlib import Path

from torch import Tensor, nn

from tests.helpers.runs.own_network import doubled

_STEP, _DIED, _WITH_AGENT = "DIES_IN_STEP", "DIED_ALREADY", "DIES_WITH_ITS_AGENT"


class Dying(nn.Module):
    """A network that counts the passes in which it is trained."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.passes = 0

    def forward(self, clips: Tensor) -> Tensor:
        self.passes += self.training
        if self.training and str(self.passes) == os.environ.get(_STEP):
            _die_once(Path(os.environ[_DIED]))
        return self.network(clips)


def _die_once(died: Path) -> None:
    if died.exists():
        return
    died.touch()
    if os.environ.get(_WITH_AGENT):
        os.kill(os.getppid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def dying(num_classes: int, width: int, depth: int) -> nn.Module:
    """Return such a network; `depth` is passed by the tiny settings, and unused."""
    return Dying(doubled(num_classes, width))


def dies(*, step: int, died: Path, with_agent: bool = False) -> dict[str, str]:
    """Return the environment of a process that is killed in mid-training.

    Args:
        step: Step in which it is killed, from 1, unless the file `died` exists.
        died: Path of a file that is made when it is killed.
        with_agent: First kill torchrun's agent, which started it.
    """
    return {_STEP: str(step), _DIED: str(died)} | ({_WITH_AGENT: "yes"} if with_agent else {})
