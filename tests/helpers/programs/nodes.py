"""Machines of a network, made of network namespaces of this one; torchrun's agents on them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def two_nodes() -> Iterator[tuple["Node", "Node"]]:
    """Give two nodes with an address each, which see one another and nothing else.

    Skips the test, with the reason, where they cannot be made.
    """
    names = [f"vidprep-{os.getpid()}-{number}" for number in range(2)]
    ends = [f"vp{os.getpid()}n{number}" for number in range(2)]
    try:
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        pytest.skip(f"No network namespaces here (iproute2 and its rights): {reason.strip()}")
    try:
        nodes = tuple(
            Node(name, end, f"10.231.7.{n + 1}")
            for n, (name, end) in enumerate(zip(names, ends, strict=True))
        )
        for node in nodes:
            node.set_up()
        yield nodes
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", ends[0]], check=False, capture_output=True)


class Machine:
    """This machine, as a node on which an agent is started.

    Attributes:
        address: Its address for the other nodes.
    """

    address = "127.0.0.1"

    def start(self, command: list[object], environment: dict[str, str], *, log: Path) -> subprocess.Popen:
        """Start a command, on one thread, with more variables in its environment; `log` gets what it says."""
        with log.open("w") as file:
            return subprocess.Popen(
                [str(word) for word in command],
                env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )


class Node(Machine):
    """A network namespace with one end of a cable in it.

    Attributes:
        device: The name of its network device.
    """

    def __init__(self, name: str, device: str, address: str) -> None:
        self.name, self.device, self.address = name, device, address

    def set_up(self) -> None:
        """Make it."""
        _ip("netns", "add", self.name)
        _ip("link", "set", self.device, "netns", self.name)
        _ip("-n", self.name, "address", "add", f"{self.address}/24", "dev", self.device)
        _ip("-n", self.name, "link", "set", self.device, "up")
        _ip("-n", self.name, "link", "set", "lo", "up")

    def start(self, command: list[object], environment: dict[str, str], *, log: Path) -> subprocess.Popen:
        """Start a command there; see `Machine.start`."""
        command = ["ip", "netns", "exec", self.name, *command]
        return super().start(command, {"GLOO_SOCKET_IFNAME": self.device} | environment, log=log)


def torchrun(num_nodes: str, endpoint: str, *options: object) -> list[object]:
    """Return the command of an agent that starts one `vidprep` process."""
    program = Path(sys.executable).with_name("torchrun")
    where = ["--rdzv-backend=c10d", "--rdzv-id=test", f"--rdzv-endpoint={endpoint}"]
    return [program, f"--nnodes={num_nodes}", "--nproc-per-node=1", *where, *options, "-m", "vidprep"]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
