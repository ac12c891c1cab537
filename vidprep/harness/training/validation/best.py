"""The checkpoint of the epoch that was best on the validation split, beside the last ones."""

from pathlib import Path
from typing import Any

from vidprep.files import write_whole
from vidprep.harness.run_folder import best_checkpoint_path, read_metrics
from vidprep.harness.training.state import Training
from vidprep.model.checkpoint_bytes import checkpoint_bytes


def keep_if_best(training: Training, line: dict[str, Any]) -> bool:
    """Write best.pt if no epoch before was as good; tell whether it was written.

    `selected_by` in the file says how it was chosen, so that an evaluation of it says so, too.

    Args:
        training: Just after an epoch.
        line: The line of metrics of this epoch, written already; it has `validation_top1`.
    """
    request = training.request
    if request.keep_best is None or not training.ranks.is_first:
        return False
    key = f"validation_{request.keep_best}"
    if any(line[key] <= known for known in _before(request.run_dir, key, line["step"])):
        return False
    content = training.checkpoint() | {"selected_by": f"{key}, of every validation of the run"}
    write_whole(best_checkpoint_path(request.run_dir), checkpoint_bytes(content))
    return True


def _before(run_dir: Path, key: str, step: int) -> list[float]:
    return [line[key] for line in read_metrics(run_dir) if key in line and line["step"] < step]
