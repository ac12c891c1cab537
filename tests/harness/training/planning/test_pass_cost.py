"""The estimate of memory, held against what processes really took."""

import subprocess
import sys

import pytest

# Depth, width, frames, side, clips of a pass.
CONFIGURATIONS = (
    (18, 16, 8, 64, 16),
    (18, 16, 8, 64, 64),
    (18, 32, 16, 64, 32),
    (34, 32, 8, 112, 8),
    (50, 16, 16, 112, 4),
    (50, 64, 8, 112, 4),
)
TAKEN = """
import sys
from torch.nn.functional import cross_entropy
import torch
from vidprep.harness.training.planning.pass_cost import peak_bytes, start_peak
from vidprep.model import build_model
from vidprep.recipes.recipe import ModelStage
depth, width, frames, side, clips = map(int, sys.argv[1:])
cpu = torch.device("cpu")


def train(width, clips, frames, side):
    net = build_model(ModelStage(depth=depth, width=width), 87).train()
    net = net.to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(2):
        batch = torch.zeros(clips, 3, frames, side, side).to(memory_format=torch.channels_last_3d)
        optimiser.zero_grad(set_to_none=True)
        cross_entropy(net(batch), torch.zeros(clips, dtype=torch.long)).backward()
        optimiser.step()


# How much of the libraries' files counts as a process's memory is the page cache's affair: load them first.
train(2, 1, 4, 32)
before = start_peak(cpu)
train(width, clips, frames, side)
print(peak_bytes(cpu) - before)
"""
ESTIMATED = """
import sys
import torch
from vidprep.harness.training.planning.pass_cost import _CODE_BYTES as CODE_BYTES
from vidprep.harness.training.planning.pass_cost import measure_pass
from vidprep.recipes.recipe import ModelStage
depth, width, frames, side, clips = map(int, sys.argv[1:])
stage, cpu = ModelStage(depth=depth, width=width), torch.device("cpu")
cost = measure_pass(stage, 87, (3, frames, side, side), device=cpu, precision="fp32")
print(cost.of(clips) - CODE_BYTES)
"""


def number(program: str, configuration: tuple[int, ...]) -> int:
    command = [sys.executable, "-c", program, *map(str, configuration)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=str)
def test_the_estimate_is_within_a_quarter_of_what_is_taken(configuration):
    taken = number(TAKEN, configuration)
    assert number(ESTIMATED, configuration) == pytest.approx(taken, rel=0.25)
