"""Build into an object store: by way of an outline of the set, a folder on this machine's disk.

    s3://bucket/k400               $TMPDIR/vidprep-stores-0/4f.../k400
      plan                 <----     plan
      staging/000007.tar   <----     (written here, put whole, then a hole of that size)
      done/000007.json     <----     done/000007.json
      train/...000004.tar  <- copied in the store from staging, when its final name is known
      index, ledger, ...   <----     index, ledger, ...
      manifest.json        <----     last; created only if there is none

In an outline, tars that the store has are empty files of the same size ("holes"). Whatever a build changes in
it is changed in the store at once, so only the unfinished shards are lost with this machine's disk.
"""

import functools
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from vidprep.builder.engines.engine import RunShards
from vidprep.builder.places.lease import Lease
from vidprep.builder.places.place import InStore, scratch_of
from vidprep.builder.shard_task import Report, ShardTask
from vidprep.builder.workspace.extensions import extension_dirs
from vidprep.builder.workspace.finished import read_places
from vidprep.builder.workspace.lock import ask_to_stop
from vidprep.builder.workspace.plan_file import plan_sha256
from vidprep.builder.workspace.store_names import (
    PLACES_NAME,
    is_build,
    is_done_name,
    is_of_one_build,
    kept_folder,
    log_of,
    logs_in,
    may_be_stale,
    new_piece_name,
    new_probe_name,
    planned_files,
    shares_pieces,
    staged_name,
)
from vidprep.errors import BuildBusy, BuildError, VidprepError
from vidprep.files import write_whole
from vidprep.shards.layout import MANIFEST
from vidprep.shards.transfer.outline import errors_name_the_store, fetch_outline, make_hole, put_folder
from vidprep.shards.transfer.store import Store, StoredObject, at_once

OnEvent = Callable[[dict[str, Any]], object]


@dataclass
class StoreBuild:
    """A running build into a store.

    Attributes:
        place: Where the set lies.
        folder: The outline on this machine.
        store: Access to the place.
        there: The objects in the store when it was last listed, by name.
        on_event: Called with each event.
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
        """Bring the outline up to date with one listing of the store."""
        self.there = self.store.listing()
        fetch_outline(
            self.store, self.folder, {name: one for name, one in self.there.items() if is_of_one_build(name)}
        )

    def begin(self) -> None:
        """Make the outline, and note how much of the logs is in the store."""
        self.look()
        put = {log_of(name) for name in self.there}
        self.log_bytes = {name: path.stat().st_size for name, path in self._logs().items() if name in put}

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
        for path in planned_files(folder):
            self.store.put(path, path.relative_to(self.folder).as_posix())
        place = replace(self.place, below=below, plan_sha256=plan_sha256(folder))
        try:
            build([replace(task, place=place) for task in tasks], report)
        finally:
            self._fetch_done(folder, below)

    def _fetch_done(self, folder: Path, below: str) -> None:
        """Fetch what workers with other disks have written of the shards that they finished."""
        kept = Store(f"{self.store.url}/{kept_folder(below)}")
        here = self.folder / kept_folder(below)
        lacking = {name: one for name, one in kept.listing().items() if not (here / name).exists()}
        for name, one in lacking.items():
            if name.endswith(".tar"):
                make_hole(here / name, one.size_bytes)
        done = [name for name in lacking if is_done_name(name)]
        at_once(lambda name: write_whole(here / name, kept.read(name)), done)

    def put_logs(self) -> None:
        """Put what the logs have got since the last time, each as one more piece."""
        with self._putting:
            for name, path in self._logs().items():
                put = self.log_bytes.get(name, 0)
                with path.open("rb") as file:
                    file.seek(put)
                    if data := file.read():
                        self.store.replace(new_piece_name(name, self._token), data)
                        self.log_bytes[name] = put + len(data)

    def _logs(self) -> dict[str, Path]:
        """Return the logs on this disk by the names that they have in the store."""
        share = self.place.share_folder()
        return {share + path.relative_to(self.folder).as_posix(): path for path in logs_in(self.folder)}

    def settle(self) -> None:
        """Make the store like the finished set on this disk: final names first, the manifest last."""
        self.there = self.store.listing()
        for folder in (self.folder, *extension_dirs(self.folder)):
            self._move_tars(folder)
        self.store.copy(shares_pieces(self.there))
        stale = self._stale()
        if not put_folder(self.store, self.folder, self.there):
            self.on_event({"event": "not create-only", "url": self.store.url})
        self.store.remove(stale)

    def _move_tars(self, folder: Path) -> None:
        """Give tars their final names in the store; killed in between, it can be repeated."""
        below = "" if folder == self.folder else f"{folder.relative_to(self.folder).as_posix()}/"
        names = read_places(folder)
        before = self._places_there(below)
        staged = {number: staged_name(below, number) for number in names}
        moved = [
            (before[number], staged[number])
            for number in names
            if before.get(number, names[number]) != names[number]
            and staged[number] not in self.there
            and before[number] in self.there
        ]
        self.store.copy(moved)
        if names and names != before:
            self.store.put(folder / PLACES_NAME, below + PLACES_NAME)
        is_staged = set(self.there) | {target for _, target in moved}
        waiting = [(staged[number], names[number]) for number in names if staged[number] in is_staged]
        self.store.copy(waiting)
        self.store.remove([source for source, _ in waiting])
        for source, _ in waiting:
            self.there.pop(source, None)

    def _places_there(self, below: str) -> dict[int, str]:
        name = below + PLACES_NAME
        if name not in self.there:
            return {}
        with tempfile.TemporaryDirectory() as scratch:
            write_whole(Path(scratch) / PLACES_NAME, self.store.read(name))
            return read_places(Path(scratch))

    def _stale(self) -> list[str]:
        """Return what the store has and the finished set has not."""
        known = {name: self.folder / (log_of(name) or name) for name in self.there if may_be_stale(name)}
        return [name for name, path in known.items() if not path.exists()]


@contextmanager
def building_in_store(
    url: str, on_event: OnEvent, *, share: str = "", finished_set: bool = False
) -> Iterator[StoreBuild]:
    """Hold a store for one build; at the end, if the outline is a finished set, make the store one, too.

    Args:
        url: URL of the shard set.
        on_event: Called with each event.
        share: Share of a job array, e.g. "3/8", beside which others may build other shares; "": all shards.
        finished_set: Whether the place may hold a finished set without the files that its build kept.

    Raises:
        BuildBusy: If another build works there.
        BuildError: If the place holds something that vidprep did not build.
        ShardError: If the store cannot do what is needed, or does not answer.
    """
    url = url.rstrip("/")
    place = InStore(url, share=share)
    folder = scratch_of(url, share)
    folder.mkdir(parents=True, exist_ok=True)
    store = Store(url)
    with _alone_on_this_machine(folder, url), errors_name_the_store(folder, url):
        there = store.listing()
        _refuse_foreign(url, there, finished_set=finished_set)
        if not store.check_operations(new_probe_name()):
            on_event({"event": "not create-only", "url": url})
        build = StoreBuild(place, folder, store, there, on_event)
        lease = Lease(store, share, build.put_logs, lambda: ask_to_stop(folder))
        lease.acquire(there)
        try:
            if not share:
                store.abort_uploads()
            build.begin()
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
    if tops and not is_build(there) and not (finished_set and MANIFEST in tops):
        raise BuildError(
            f"{url} is not empty and holds no build of vidprep (it has {sorted(tops)[0]!r}). Build into "
            "a new place."
        )
