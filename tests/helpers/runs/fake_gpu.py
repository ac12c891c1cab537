"""A simulated GPU: "cuda" computes on the CPU, copies to it come late, calls of CUDA are noted.

A copy out of pinned memory reads its source only when the copy is waited for or computed with: as late as a
real one may. Memory that is used again too early then shows in the clips.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter, tree_map

NAME = "Make-believe GPU"
CPU = torch.device("cpu")
_GETTERS = {torch.Tensor.is_cuda.__get__: True, torch.Tensor.device.__get__: torch.device("cuda", 0)}


class FakeGpu(TorchFunctionMode):
    """Takes "cuda" for the CPU while it is entered.

    Attributes:
        calls: Names of the CUDA functions called, in order.
        num_late: Number of copies that came late.
        memory: Bytes of free memory.
    """

    def __init__(self, memory: int = 64 << 30) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.num_late = 0
        self.memory = memory
        self._pinned: dict[int, int] = {}  # address and size
        self._late: list[tuple[torch.Tensor, torch.Tensor]] = []  # copy and source

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.device:
            return func(*args, **kwargs)
        if func is torch.Tensor.pin_memory:
            self.pin(args[0].data_ptr(), args[0].nbytes, 0)
            return args[0]
        if func in _GETTERS and getattr(args[0], "on_gpu", False):
            return _GETTERS[func]
        if func is torch.Tensor.to and _is_cuda(_target(args, kwargs)) and self._is_pinned(args[0]):
            return self._copy_late(args[0])
        if self._late and any(each is copy for each in tree_iter((args, kwargs)) for copy, _ in self._late):
            self.catch_up()
        args, kwargs = tree_map(lambda each: CPU if _is_cuda(each) else each, (args, kwargs))
        return func(*args, **kwargs)

    def catch_up(self) -> None:
        """Make the copies that are under way."""
        late, self._late = self._late, []
        for copy, source in late:
            copy.copy_(source)

    def _copy_late(self, source: torch.Tensor) -> torch.Tensor:
        copy = torch.full_like(source, 77, memory_format=torch.contiguous_format)
        copy.on_gpu = True
        self._late.append((copy, source))
        self.num_late += 1
        return copy

    def _is_pinned(self, tensor: torch.Tensor) -> bool:
        address = tensor.data_ptr()
        return any(start <= address < start + size for start, size in self._pinned.items())

    def note(self, name: str, value: Any = None) -> Callable[..., Any]:
        """Return a function that notes that it was called, and returns `value`."""

        def noted(*_args: Any, **_options: Any) -> Any:
            self.calls.append(name)
            return value() if callable(value) else value

        return noted

    def pin(self, address: int, size: int, _flags: int) -> int:
        """Lock memory."""
        self.calls.append("pin")
        self._pinned[address] = size
        return 0

    def unpin(self, address: int) -> int:
        """Let memory go; copies that are under way would read what lies there then."""
        self.calls.append("unpin")
        assert not self._late, "memory is given up while the GPU still reads it"
        del self._pinned[address]
        return 0


def _target(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return kwargs.get("device", args[1] if len(args) > 1 else None)


def _is_cuda(value: Any) -> bool:
    return (isinstance(value, torch.device) and value.type == "cuda") or (
        isinstance(value, str) and value == "cuda"
    )


@contextmanager
def fake_gpu(memory: int = 64 << 30) -> Iterator[FakeGpu]:
    """Have a GPU for the length of a `with` block."""
    gpu, autocast = FakeGpu(memory), torch.autocast

    def on_cpu(device_type: str, *args: Any, **options: Any) -> Any:
        return autocast("cpu" if device_type == "cuda" else device_type, *args, **options)

    def event() -> SimpleNamespace:
        def wait() -> None:
            gpu.calls.append("wait")
            gpu.catch_up()

        return SimpleNamespace(record=gpu.note("record"), synchronize=wait)

    cuda = {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "set_device": gpu.note("set_device"),
        "get_device_name": lambda *_: NAME,
        "mem_get_info": lambda *_: (gpu.memory, 2 * gpu.memory),
        "memory_reserved": lambda *_: 0,
        "memory_allocated": lambda *_: 0,
        "max_memory_allocated": gpu.note("max_memory_allocated", 1 << 20),
        "reset_peak_memory_stats": gpu.note("reset_peak_memory_stats"),
        "empty_cache": gpu.note("empty_cache"),
        "synchronize": gpu.note("synchronize", gpu.catch_up),
        "get_rng_state": lambda *_: torch.zeros(1, dtype=torch.uint8),
        "set_rng_state": lambda *_: None,
        "manual_seed_all": gpu.note("manual_seed_all"),
        "current_stream": gpu.note("current_stream"),
        "Event": event,
        "check_error": lambda code: None,
        "cudart": lambda: SimpleNamespace(cudaHostRegister=gpu.pin, cudaHostUnregister=gpu.unpin),
    }
    benchmark = torch.backends.cudnn.benchmark
    with ExitStack() as stack:
        for name, double in cuda.items():
            stack.enter_context(patch.object(torch.cuda, name, double))
        stack.enter_context(patch.object(torch, "autocast", on_cpu))
        stack.enter_context(gpu)
        try:
            yield gpu
        finally:
            torch.backends.cudnn.benchmark = benchmark
