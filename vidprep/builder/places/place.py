"""The place that a build writes to, a folder or a store: how workers get its plan and keep its shards."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vidprep.builder.workspace.finished import DoneShard, write_done
from vidprep.builder.workspace.lock import ask_to_stop, forget_stop
from vidprep.builder.workspace.plan_file import check_plan_is_seen, plan_sha256
from vidprep.builder.workspace.store_names import (
    ARCHIVES_NAME,
    PLAN_NAME,
    done_name,
    share_folder,
    staged_name,
)
from vidprep.errors import BuildError
from vidprep.files import write_whole
from vidprep.shards.transfer.outline import make_hole
from vidprep.shards.transfer.store import Store


class Place(Protocol):
    """Where the shards of a build are kept; small, and can be sent to other machines."""

    def arrive(self, out_dir: Path) -> Path:
        """Return the folder to work in on this machine; the plan lies in it.

        Args:
            out_dir: The folder that the machine which began the build works in.

        Raises:
            VidprepError: If this machine cannot get the plan.
        """

    def keep(self, out_dir: Path, done: DoneShard, partial_path: Path) -> None:
        """Move a complete tar to the place, then write its done-file.

        Args:
            out_dir: The folder in which this machine works.
            done: What the tar holds.
            partial_path: The tar.
        """

    def ask_to_stop(self, out_dir: Path, name: str = "") -> None:
        """Ask the workers on this machine to stop after the video in hand; see `workspace.lock`."""

    def forget_stop(self, out_dir: Path) -> None:
        """Withdraw a request to stop."""


@dataclass(frozen=True)
class OnDisk:
    """A folder that all workers see under the same path."""

    def arrive(self, out_dir: Path) -> Path:
        """See `Place`."""
        check_plan_is_seen(out_dir)
        return out_dir

    def keep(self, out_dir: Path, done: DoneShard, partial_path: Path) -> None:
        """See `Place`."""
        write_done(out_dir, done, partial_path)

    def ask_to_stop(self, out_dir: Path, name: str = "") -> None:
        """See `Place`."""
        ask_to_stop(out_dir, name)

    def forget_stop(self, out_dir: Path) -> None:
        """See `Place`: done where the build was begun."""


@dataclass(frozen=True)
class InStore:
    """A folder in an object store; each machine works in a scratch folder of its own.

    Attributes:
        url: URL of the shard set.
        below: The part of it that is built: "" or the folder of an extension, with a slash at the end.
        share: Share of a job array, e.g. "3/8"; tasks on one machine do not share a scratch folder.
        plan_sha256: sha256 of the plan's file.
    """

    url: str
    below: str = ""
    share: str = ""
    plan_sha256: str = ""

    def arrive(self, out_dir: Path) -> Path:
        """See `Place`; plan and indexes of archives are fetched, once for all workers of a machine."""
        here = self.folder()
        if not self._has_plan(here):
            self._fetch_plan(here)
        return here

    def keep(self, out_dir: Path, done: DoneShard, partial_path: Path) -> None:
        """See `Place`; the tar takes no more room here once it lies in the store."""
        store = Store(self.url)
        if done.rows:
            written = store.put(partial_path, staged_name(self.below, done.shard))
            if written.sha256 != done.sha256:
                raise BuildError(
                    f"{partial_path} has sha256 {written.sha256[:12]}... and was written with "
                    f"{done.sha256[:12]}...: the scratch disk is damaged. Run the same build again."
                )
        # Only now, so that a process which sees the done-file finds the tar.
        signed = done.signed()
        store.replace(done_name(self.below, done.shard), signed.model_dump_json().encode())
        if done.rows:
            make_hole(partial_path, done.size_bytes)
        write_done(out_dir, done, partial_path)

    def ask_to_stop(self, out_dir: Path, name: str = "") -> None:
        """See `Place`."""
        if self._has_plan(self.folder()):  # else no worker is active here
            ask_to_stop(self.folder(), name)

    def forget_stop(self, out_dir: Path) -> None:
        """See `Place`."""
        forget_stop(self.folder())

    def folder(self) -> Path:
        """Return the folder in which this machine works on that part."""
        return scratch_of(self.url, self.share) / self.below

    def share_folder(self) -> str:
        """Return the part of the store for the log of a share, with a slash at the end; "" for all shards."""
        number, _, total = self.share.partition("/")
        return share_folder(int(number), int(total)) if self.share else ""

    def _has_plan(self, here: Path) -> bool:
        return plan_sha256(here) == self.plan_sha256

    def _fetch_plan(self, here: Path) -> None:
        store = Store(self.url)
        archives = Store(f"{self.url}/{self.below}{ARCHIVES_NAME}").listing()
        for name in (*(f"{ARCHIVES_NAME}/{name}" for name in archives), PLAN_NAME):
            write_whole(here / name, store.read(self.below + name))
        if not self._has_plan(here):
            raise BuildError(f"{self.url} got another plan meanwhile. Run the same build again.")


def scratch_of(url: str, share: str = "") -> Path:
    """Return the folder of this machine in which a build for a store is prepared; $TMPDIR decides where.

    Raises:
        BuildError: If it belongs to another user.
    """
    name = hashlib.sha256(f"{url} {share}".encode()).hexdigest()[:16]
    parent = Path(tempfile.gettempdir()) / f"vidprep-stores-{os.getuid()}"
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if parent.stat().st_uid != os.getuid():
        raise BuildError(f"{parent} belongs to another user. Set TMPDIR to a folder of your own.")
    return parent / name / url.rstrip("/").rpartition("/")[2]
