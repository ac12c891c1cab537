"""Build into an object store: in a likeness of the folder on this machine's disk, which the store follows.

    s3://bucket/k400                      $TMPDIR/vidprep-stores-0/4f.../k400
      .build/plan.parquet        <----      .build/plan.parquet
      .build/staging/000007.tar  <----      (written here, put whole, then a hole of that size)
      .build/done/000007.json    <----      .build/done/000007.json
      train/...-000004.tar       <- copied in the store from staging, when its final name is known
      index, ledger, ...         <----      index, ledger, ...
      manifest.json              <----      last; created only if there is none

Nothing but the unfinished videos of shards in hand is lost with this machine's disk.
"""

import functools
import hashlib
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vidprep.builder.engine import RunShards
from vidprep.builder.places.lease import Lease
from vidprep.builder.places.place import InStore, scratch_of
from vidprep.builder.shard import Report, ShardTask
from vidprep.builder.workspace.finished import read_places
from vidprep.builder.workspace.leases import LEASE
from vidprep.builder.workspace.lock import ask_to_stop
from vidprep.builder.workspace.paths import (
    ARCHIVES,
    BUILD_DIR,
    DONE,
    PLACES,
    STAGING,
    plan_path,
)
from vidprep.builder.workspace.shares import share_dir
from vidprep.errors import BuildBusy, BuildError, VidprepError
from vidprep.files import write_whole
from vidprep.recipes.manifests import SPLITS
from vidprep.shards.layout import MANIFEST
from vidprep.shards.transfer.likeness import LOG, fetch_likeness, make_hole, names_the_place, put_folder
from vidprep.shards.transfer.store import Store, StoredObject, at_once

OnEvent = Callable[[dict[str, Any]], object]
SHARE = f"{BUILD_DIR}/share-"
_OTHERS = (f"{LEASE}/", SHARE, f"{BUILD_DIR}/probe")


@dataclass
class StoreBuild:
    """A build for a store that is under way.

    Attributes:
        place: Where.
        folder: The likeness on this machine.
        store: The place, to talk to.
        there: What lay there at the last look.
        on_event: Told of each event.
        log_bytes: How much of each log lies in the store.
    """

    place: InStore
    folder: Path
    store: Store
    there: dict[str, StoredObject]
    on_event: OnEvent
    log_bytes: dict[str, int] = field(default_factory=dict)
    _putting: threading.Lock = field(default_factory=threading.Lock)
    _token: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def look(self) -> None:
        """Make the likeness anew, from one listing."""
        self.there = self.store.listing()
        known = {name: one for name, one in self.there.items() if not name.startswith(_OTHERS)}
        self.log_bytes = {}
        for name, one in self.there.items():
            log, is_piece, _ = name.partition(f"/{LOG}/")
            if is_piece:
                log = f"{log}/{LOG}"
                self.log_bytes[log] = self.log_bytes.get(log, 0) + one.size_bytes
        fetch_likeness(self.store, self.folder, known)

    def engine(self, build: RunShards) -> RunShards:
        """Return an engine that keeps what it builds in the store."""
        return functools.partial(self._build_shards, build=build)

    def _build_shards(self, tasks: list[ShardTask], report: Report, *, build: RunShards) -> None:
        if not tasks:
            return
        folder = tasks[0].out_dir
        below = "" if folder == self.folder else f"{folder.relative_to(self.folder).as_posix()}/"
        if not (self.folder / MANIFEST).is_file() and MANIFEST in self.there:
            self.store.remove([MANIFEST])  # the set is not complete any more
            del self.there[MANIFEST]
        for path in (*sorted((folder / ARCHIVES).glob("*")), folder / "begun.json", plan_path(folder)):
            if path.is_file():
                self.store.put(path, path.relative_to(self.folder).as_posix())
        plan_sha256 = hashlib.sha256(plan_path(folder).read_bytes()).hexdigest()
        place = replace(self.place, below=below, plan_sha256=plan_sha256)
        try:
            build([replace(task, place=place) for task in tasks], report)
        finally:
            self._fetch_done(folder, below)

    def _fetch_done(self, folder: Path, below: str) -> None:
        """Fetch what workers with other disks have written of the shards that they finished."""
        there = Store(f"{self.store.url}/{below}{BUILD_DIR}").listing()
        build_dir = folder / BUILD_DIR
        lacking = [
            name
            for name in there
            if f"{BUILD_DIR}/{name}".startswith(DONE) and not (build_dir / name).exists()
        ]
        for name, one in there.items():
            if name.endswith(".tar") and not (build_dir / name).exists():
                make_hole(build_dir / name, one.size_bytes)
        root = self.store
        at_once(lambda name: write_whole(build_dir / name, root.read(f"{below}{BUILD_DIR}/{name}")), lacking)

    def put_logs(self) -> None:
        """Put what the logs have got since the last time, each as one more piece."""
        with self._putting:
            for path in sorted((self.folder / BUILD_DIR).rglob(LOG)):
                name = path.relative_to(self.folder).as_posix()
                if self.place.share:
                    name = f"{share_dir(Path(), *self._share()).as_posix()}/{name}"
                put = self.log_bytes.get(name, 0)
                with path.open("rb") as file:
                    file.seek(put)
                    if data := file.read():
                        piece = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{self._token}"
                        self.store.replace(f"{name}/{piece}", data)
                        self.log_bytes[name] = put + len(data)

    def _share(self) -> tuple[int, int]:
        number, _, total = self.place.share.partition("/")
        return int(number), int(total)

    def settle(self) -> None:
        """Let the store follow the finished set on this disk: final names first, the manifest last."""
        self.there = self.store.listing()
        folders = [self.folder, *sorted((self.folder / BUILD_DIR).glob("generation-????"))]
        for folder in folders:
            self._move_tars(folder)
        self._gather_logs()
        stale = self._stale()
        if not put_folder(self.store, self.folder, self.there):
            self.on_event({"event": "not create-only", "url": self.store.url})
        self.store.remove(stale)

    def _move_tars(self, folder: Path) -> None:
        """Give tars their final names in the store; killed in between, it can be repeated."""
        below = "" if folder == self.folder else f"{folder.relative_to(self.folder).as_posix()}/"
        names = read_places(folder)
        before = self._places_there(below)
        staged = {number: f"{below}{STAGING}/{number:06d}.tar" for number in names}
        moved = [
            (before[number], staged[number])
            for number in names
            if before.get(number, names[number]) != names[number]
            and staged[number] not in self.there
            and before[number] in self.there
        ]
        self.store.copy(moved)
        if names and names != before:
            self.store.put(folder / PLACES, below + PLACES)
        is_staged = set(self.there) | {target for _, target in moved}
        waiting = [(staged[number], names[number]) for number in names if staged[number] in is_staged]
        self.store.copy(waiting)
        self.store.remove([source for source, _ in waiting])
        for source, _ in waiting:
            self.there.pop(source, None)

    def _gather_logs(self) -> None:
        """Make the logs of shares part of the log of the build."""
        pieces = [name for name in self.there if name.startswith(SHARE) and f"/{LOG}/" in name]
        self.store.copy((name, f"{BUILD_DIR}/{LOG}/{name.rpartition('/')[2]}") for name in pieces)

    def _places_there(self, below: str) -> dict[int, str]:
        if below + PLACES not in self.there:
            return {}
        scratch = self.folder / below / BUILD_DIR / "there"
        write_whole(scratch / PLACES, self.store.read(below + PLACES))
        try:
            return read_places(scratch)
        finally:
            shutil.rmtree(scratch)

    def _stale(self) -> list[str]:
        """Return what the store has and the finished set has not."""
        places = (f"{BUILD_DIR}/", *(f"{split}/" for split in SPLITS))
        kept = (f"{LEASE}/", f"{BUILD_DIR}/{LOG}/")
        return [
            name
            for name in self.there
            if name.startswith(places)
            and not name.startswith(kept)
            and not (self.folder / name.partition(f"/{LOG}/")[0]).exists()
        ]


@contextmanager
def building_in_store(
    url: str, on_event: OnEvent, *, share: str = "", finished_set: bool = False
) -> Iterator[StoreBuild]:
    """Build in a store alone; at the end, if the likeness has become a finished set, so does the store.

    Args:
        url: Of the shard set.
        on_event: Told of each event.
        share: Of a job array; other shares are built beside it.
        finished_set: Whether there may be a finished set without anything that its build kept.

    Raises:
        BuildBusy: If another build works there.
        BuildError: If the place is not ours.
        ShardError: If the store cannot do what is needed, or does not answer.
    """
    url = url.rstrip("/")
    place = InStore(url, share=share)
    folder = scratch_of(url, share)
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(url)
    with _alone_on_this_machine(folder, url), names_the_place(folder, url):
        there = store.listing()
        _refuse_foreign(url, there, finished_set=finished_set)
        if not store.check_operations():
            on_event({"event": "not create-only", "url": url})
        build = StoreBuild(place, folder, store, there, on_event)
        lease = Lease(store, share, build.put_logs, lambda: ask_to_stop(folder))
        lease.acquire(there)
        try:
            if not share:
                store.abort_uploads()
            build.look()
            was_complete = MANIFEST in build.there
            try:
                yield build
            except VidprepError:
                if not was_complete and not share and (folder / MANIFEST).is_file():
                    build.settle()  # a set without a single video: its ledger says why
                raise
            if lease.is_lost:
                raise BuildBusy(f"Another build has taken over {url}: this one was believed to be dead.")
            if not share:
                build.settle()
                build.put_logs()
                shutil.rmtree(folder.parent, ignore_errors=True)
        finally:
            with suppress(VidprepError):
                if folder.is_dir():
                    build.put_logs()
                lease.release()


@contextmanager
def _alone_on_this_machine(folder: Path, url: str) -> Iterator[None]:
    lock = FileLock(folder.parent.with_suffix(".lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BuildBusy(
            f"Another build is working in {url}, on this machine. Wait for it, stop it, or build into "
            "another place."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _refuse_foreign(url: str, there: dict[str, StoredObject], *, finished_set: bool) -> None:
    tops = {name.partition("/")[0] for name in there}
    if tops and BUILD_DIR not in tops and not (finished_set and MANIFEST in tops):
        raise BuildError(
            f"{url} is not empty and holds no build of vidprep (it has {sorted(tops)[0]!r}). Build into "
            "a new place."
        )
