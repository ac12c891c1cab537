"""What a result was computed with; written beside the result."""

import platform
import sys
from typing import Any

import torch

import vidprep
from vidprep.harness.ranks import Ranks


def describe_environment(ranks: Ranks) -> dict[str, Any]:
    """Return versions, devices and the command line, as plain values for JSON."""
    on_gpu = ranks.device.type == "cuda"
    return {
        "vidprep": vidprep.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda if on_gpu else None,
        "cudnn": torch.backends.cudnn.version() if on_gpu else None,  # type: ignore[no-untyped-call]
        "device": torch.cuda.get_device_name(ranks.device) if on_gpu else platform.processor() or "cpu",
        "num_ranks": ranks.world_size,
        "num_threads": torch.get_num_threads(),
        "system": platform.platform(),
        "command": sys.argv,
    }
