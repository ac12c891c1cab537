"""lease/00000n.json: which process builds in a store, which has no locks; written by `places.lease`."""

import platform
from datetime import UTC, datetime
from pathlib import Path

import psutil
from pydantic import ValidationError

from vidprep.builder.workspace.paths import BUILD_DIR
from vidprep.recipes.toml_models import Frozen

LEASE = f"{BUILD_DIR}/lease"


class LeaseFacts(Frozen):
    """What a lease says.

    Attributes:
        token: A random id of the holder.
        host: Where the holder works.
        pid: Number of its process there.
        since: When it began.
        renewed: When it was last renewed.
        expires: When it ends unless it is renewed.
        share: Share of a job array, e.g. "3/8"; "": all shards.
    """

    token: str
    host: str
    pid: int
    since: datetime
    renewed: datetime
    expires: datetime
    share: str = ""

    def is_alive(self) -> bool:
        """Tell whether its holder may still be at work."""
        if self.host == platform.node() and not psutil.pid_exists(self.pid):
            return False
        return datetime.now(UTC) < self.expires


def holders(out_dir: Path) -> list[LeaseFacts]:
    """Return the processes that build in the store which a folder is the outline of, by the leases in it."""
    found = []
    for path in sorted((out_dir / LEASE).glob("*.json")):
        try:
            facts = LeaseFacts.model_validate_json(path.read_bytes())
        except (ValidationError, OSError):
            continue
        found += [facts] if facts.is_alive() else []
    return found
