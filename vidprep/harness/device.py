"""Where and with which numbers a network computes: decided once, for training, evaluation, analysis."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

Precision = Literal["bf16", "fp32"]


def choose_precision(device: torch.device, wanted: Precision | None = None) -> Precision:
    """Return what convolutions compute with: what is wanted, else "bf16" on a GPU and "fp32" on a CPU."""
    return wanted or ("bf16" if device.type == "cuda" else "fp32")


def autocast_dtype(precision: Precision) -> torch.dtype | None:
    """Return the type for `torch.autocast`; None for none."""
    return torch.bfloat16 if precision == "bf16" else None


@contextmanager
def computing_in(precision: Precision) -> Iterator[None]:
    """Keep GPUs from rounding float32 to TF32, for the length of a `with` block.

    With "bf16" this concerns the classifier, a matrix product; the convolutions are in bfloat16 anyway.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    if precision == "fp32":
        torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether PyTorch means that a device, or the machine, has no memory left."""
    # The CPU's allocator has no exception of its own.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
