"""One build at a time in a store: an object that says which process builds, renewed while it runs.

Stores have no locks. The n-th lease is `lease/00000n.json`, created only if there is none of that number, so
only one of several processes gets it. A lease that was not renewed in time, or whose process is gone, is
replaced by one with the next number.
"""

import os
import platform
import threading
import uuid
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from vidprep.builder.workspace.leases import LEASE, LeaseFacts
from vidprep.errors import BuildBusy, ShardError
from vidprep.shards.transfer.store import Store

_VALID_SECONDS = 180.0
_RENEW_SECONDS = 30.0


class Lease:
    """The right to build in a store; call `acquire`, and `release` at the end.

    Args:
        store: Store of the shard set.
        share: Share of a job array, e.g. "3/8"; "": all shards.
        beat: Called each time after the lease was renewed.
        lost: Called if another process has taken it over, in the belief that this one was dead.
    """

    def __init__(
        self, store: Store, share: str, beat: Callable[[], object], lost: Callable[[], object]
    ) -> None:
        self._store = store
        self._share = share
        self._beat, self._lost = beat, lost
        self._token = uuid.uuid4().hex
        self._since = datetime.now(UTC)
        self._number = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="vidprep lease", daemon=True)
        self.is_lost = False

    def acquire(self, names: Collection[str]) -> None:
        """Take the lease.

        Args:
            names: Names of the objects that lie in the store.

        Raises:
            BuildBusy: If another process has it; for a build of all shards, also if one has that of a share.
            ShardError: If the store does not answer.
        """
        leases = [name for name in names if name.startswith(f"{LEASE}/")]
        while True:
            self._check_free(leases)
            self._number = 1 + max(map(self._number_of, leases), default=0)
            try:
                self._store.put_new(self._name(), self._facts())
                break
            except FileExistsError:  # another process was faster
                leases = self._leases()
        try:
            self._check_free(name for name in self._leases() if name != self._name())
            if self._is_taken_over():  # in a store that does not refuse to create what exists
                raise BuildBusy(f"Another build has begun in {self._store.url} at this moment.")
        except BuildBusy:
            if not self._is_taken_over():
                self._store.remove([self._name()])
            raise
        self._store.remove(name for name in leases if not self._is_alive(name))
        self._thread.start()

    def _is_alive(self, name: str) -> bool:
        facts = self._read(name)
        return facts is not None and facts.is_alive()

    def _check_free(self, leases: Iterable[str]) -> None:
        for name in sorted(leases):
            facts = self._read(name)
            if facts is not None and facts.is_alive() and self._excludes(facts):
                raise BuildBusy(self._describe(facts))

    def _leases(self) -> list[str]:
        return [f"{LEASE}/{name}" for name in Store(f"{self._store.url}/{LEASE}").listing()]

    def release(self) -> None:
        """Give the lease back; one that is not given back expires by itself."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        if not self.is_lost:
            self._store.remove([self._name()])

    def _excludes(self, other: LeaseFacts) -> bool:
        """Tell whether both cannot work at the same time: different shares of an array can."""
        return not (self._share and other.share) or self._share == other.share

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_SECONDS):
            try:
                if self._is_taken_over():
                    self.is_lost = True
                    self._lost()
                    return
                self._store.replace(self._name(), self._facts())
                self._beat()
            except ShardError:  # the store is away: what needs it will say so
                continue

    def _is_taken_over(self) -> bool:
        mine = self._read(self._name())
        return mine is None or mine.token != self._token

    def _read(self, name: str) -> LeaseFacts | None:
        try:
            return LeaseFacts.model_validate_json(self._store.read(name))
        except ValidationError:
            return None
        except ShardError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None  # given back meanwhile
            raise

    def _facts(self) -> bytes:
        now = datetime.now(UTC)
        facts = LeaseFacts(
            token=self._token,
            host=platform.node(),
            pid=os.getpid(),
            since=self._since,
            renewed=now,
            expires=now + timedelta(seconds=_VALID_SECONDS),
            share=self._share,
        )
        return facts.model_dump_json(indent=1).encode()

    def _name(self) -> str:
        return f"{LEASE}/{self._number:06d}.json"

    @staticmethod
    def _number_of(name: str) -> int:
        stem = name.rpartition("/")[2].removesuffix(".json")
        return int(stem) if stem.isdecimal() else 0

    def _describe(self, facts: LeaseFacts) -> str:
        share = f"share {facts.share} of a job array, " if facts.share else ""
        return (
            f"Another build is working in {self._store.url} ({share}process {facts.pid} on {facts.host}, "
            f"since {facts.since:%Y-%m-%d %H:%M:%S} UTC, last seen {facts.renewed:%H:%M:%S}). Wait for it, "
            f"stop it, or build into another place. If it was killed, its lease expires at "
            f"{facts.expires:%H:%M:%S} UTC."
        )
