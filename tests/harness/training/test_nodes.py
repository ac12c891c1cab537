"""torchrun's agents on two nodes: the same batches as one process, and what is killed goes on."""

import numpy as np
import pytest
import torch

from tests.helpers.programs.nodes import Machine, torchrun, two_nodes
from tests.helpers.programs.processes import kill_family
from tests.helpers.runs.dying_network import dies
from tests.helpers.runs.tiny import free_port, losses, options, run
from vidprep.harness.run_folder import epoch_checkpoints, read_facts
from vidprep.model.weight_files import read_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NETWORK = ["--set", "model.factory=tests.helpers.runs.dying_network:dying"]
EPOCHS = 3  # of three steps


def words(shards, out):
    return [
        *("train", "--shards", shards, "--out", out, "--log-every", 1, "--workers", 1, "--keep-every", 1),
        *(*options(), *NETWORK),
    ]


@pytest.fixture(scope="module")
def alone(tiny_shards, tmp_path_factory):
    """The run of one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    run(*words(tiny_shards, out))
    return out


def assert_same_training(out, alone):
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-6)
    ours, theirs = (read_checkpoint(epoch_checkpoints(run_dir)[EPOCHS])["model"] for run_dir in (out, alone))
    for name, weight in theirs.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-6, atol=1e-9)


def num_ranks(out):
    return [start["environment"]["num_ranks"] for start in read_facts(out)["starts"]]


def train(places, num_nodes, shards, out, killed):
    """Train with two agents, of which the second's process is killed; return codes, and what was said."""
    logs = [out.with_name(f"{number}.log") for number in range(2)]
    agents, endpoint = [], f"{places[0].address}:{free_port()}"
    try:
        for place, log, environment in zip(places, logs, ({}, killed), strict=True):
            # The first agent is the one that all of them have to find.
            here = (f"--local-addr={place.address}", f"--rdzv-conf=is_host={place is places[0]}")
            agent = torchrun(num_nodes, endpoint, "--max-restarts=3", *here)
            agents.append(place.start([*agent, *words(shards, out), "--resume"], environment, log=log))
        for agent in agents:
            agent.wait(timeout=240)
    finally:
        for agent in agents:
            if agent.poll() is None:
                kill_family(agent)
    return [agent.returncode for agent in agents], "\n".join(log.read_text() for log in logs)


def test_two_nodes_of_a_network_train_as_one_process_does(alone, tiny_shards, tmp_path):
    """A process is killed in the second epoch: both agents start theirs again."""
    out, killed = tmp_path / "run", dies(step=5, died=tmp_path / "died")
    with two_nodes() as nodes:
        codes, said = train(nodes, "2", tiny_shards, out, killed)
    assert codes == [0, 0], said
    assert (tmp_path / "died").exists() and set(num_ranks(out)) == {2}, said
    assert_same_training(out, alone)


def test_when_a_node_is_lost_the_other_goes_on_alone(alone, tiny_shards, tmp_path):
    out, killed = tmp_path / "run", dies(step=5, died=tmp_path / "died", with_agent=True)
    codes, said = train([Machine(), Machine()], "1:2", tiny_shards, out, killed)
    assert codes == [0, -9], said
    assert (tmp_path / "died").exists() and num_ranks(out)[0] == 2 and num_ranks(out)[-1] == 1, said
    assert_same_training(out, alone)
