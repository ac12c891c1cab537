"""What the analyses take from a training run: its checkpoints at the ends of epochs."""

from pathlib import Path

from vidprep.errors import HarnessError
from vidprep.harness.run_folder import CHECKPOINTS, FACTS, epoch_checkpoints


def read_epochs(run: Path) -> dict[int, Path]:
    """Return the checkpoints at the ends of a run's epochs, by epoch, in order; at least one.

    Raises:
        HarnessError: If the folder is no run, or there is none in it yet.
    """
    found = epoch_checkpoints(run)
    if found:
        return found
    if not run.is_dir():
        raise HarnessError(f"No training run at {run}. Pass the folder that a training wrote.")
    if not (run / FACTS).is_file():
        raise HarnessError(
            f"{run}: not a training run, there is neither {FACTS} nor {CHECKPOINTS}/epoch-0000.pt. "
            "Pass the folder that a training wrote."
        )
    raise HarnessError(
        f"{run}: no checkpoint of an epoch yet ({CHECKPOINTS}/epoch-0000.pt is the network before training). "
        "Let the training go on, or pass one file with --checkpoint."
    )
