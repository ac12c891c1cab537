"""Access to an object store of any kind, for copying to and from it."""

import base64
import errno
import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fsspec.implementations.local import LocalFileSystem

from vidprep.errors import ShardError
from vidprep.files import store_errors
from vidprep.links import inside, open_store

Result = TypeVar("Result")
Item = TypeVar("Item")

PART_BYTES = 32 << 20  # of a file that are in memory at a time; also the size of a part of a multipart upload
_ATTEMPTS = 8
_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 15.0
_DEADLINE_SECONDS = 300.0  # no request is repeated after that
_FINAL = (FileNotFoundError, PermissionError)
_COPIES_AT_ONCE = 16
_REMEDIES = {
    "ExpiredToken|TokenRefreshRequired|InvalidToken|InvalidAccessKeyId|SignatureDoesNotMatch|NoCredentials"
    "|RequestTimeTooSkewed": "Its credentials are missing, wrong or expired (or the clock is): renew them "
    "and run the same command again.",
    "AccessDenied|AllAccessDisabled|PermissionError|Forbidden": "These credentials may not do this there: "
    "ask for the right to list, read, write and remove, and run the same command again.",
    "NoSuchBucket": "There is no such bucket (any more).",
    "PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint": "The bucket lies in another "
    "region: set AWS_DEFAULT_REGION.",
}


@dataclass(frozen=True)
class StoredObject:
    """What a store says of an object.

    Attributes:
        size_bytes: Size of its content.
        md5: md5 of its content in hexadecimal digits; None if the store does not tell.
    """

    size_bytes: int
    md5: str | None


@dataclass(frozen=True)
class Digests:
    """Size and checksums of what was read or written.

    Attributes:
        size_bytes: Number of bytes.
        md5: Their md5 in hexadecimal digits.
        sha256: Their sha256 in hexadecimal digits.
    """

    size_bytes: int
    md5: str
    sha256: str


class Retries:
    """Counts the repeated requests of this process; may be used by several threads."""

    def __init__(self) -> None:
        self._num = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        """Count one more."""
        with self._lock:
            self._num += 1

    def take(self) -> int:
        """Return the count since the last call, and begin again at 0."""
        with self._lock:
            num, self._num = self._num, 0
        return num


RETRIES = Retries()


class _Taken(FileExistsError):
    """An object that was to be created exists already."""


class Store:
    """A folder of an object store; failed requests are repeated, after a wait that doubles each time.

    Args:
        url: The folder, e.g. "s3://bucket/k400".

    Raises:
        ShardError: If there is no driver for such URLs.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            with store_errors():
                self._filesystem, self._root = open_store(self.url)
        except OSError as error:
            raise ShardError(
                f"{url} cannot be opened: {error}. A driver of fsspec may be missing (s3fs for s3://)."
            ) from error
        self._root = self._root.rstrip("/")

    def listing(self) -> dict[str, StoredObject]:
        """Return all objects below the folder by their names, from one listing."""

        def find() -> dict[str, StoredObject]:
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self._root, detail=True)
            return {
                path.removeprefix(self._root).lstrip("/"): StoredObject(int(info["size"] or 0), _md5(info))
                for path, info in found.items()
            }

        try:
            return self._again(find, "listed", "")
        except ShardError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return {}
            raise

    def read(self, name: str) -> bytes:
        """Return the whole content of a small object."""
        return self._again(lambda: bytes(self._filesystem.cat_file(self._path(name))), "read", name)

    def digests(self, name: str) -> Digests:
        """Read an object and return its size and checksums; only a part of it is in memory at a time."""
        return self._again(lambda: digest_parts(self._parts(name)), "read", name)

    def fetch(self, name: str, path: Path) -> Digests:
        """Copy an object to a file; only a part of it is in memory at a time."""

        def copy() -> Digests:
            with path.open("wb") as file:
                return digest_parts(self._parts(name), file.write)

        return self._again(copy, "read", name)

    def put(self, path: Path, name: str) -> Digests:
        """Copy a file to an object, which appears when it is complete; a failed upload leaves nothing."""

        def copy() -> Digests:
            file = self._filesystem.open(self._path(name), "wb", block_size=PART_BYTES)
            try:
                digests = digest_parts(parts_of(path), file.write)
                file.close()
            except BaseException:
                with suppress(AttributeError):
                    file.closed = True  # or its destructor would complete it
                file.discard()
                raise
            return digests

        return self._again(copy, "written", name)

    def put_new(self, name: str, data: bytes) -> bool:
        """Write an object that must not exist yet; tell whether the store itself made sure of that.

        Raises:
            FileExistsError: If it exists with other bytes.
        """

        def create() -> bool:
            try:
                self._filesystem.pipe_file(self._path(name), data, mode="create")
            except (NotImplementedError, TypeError):
                return False
            except OSError as error:
                if error.errno == errno.ENOSYS:
                    return False
                if not _is_taken(error):
                    raise
                raise _Taken(str(error)) from error
            return True

        try:
            if self._again(create, "written", name):
                return True
        except _Taken as error:
            # It may be our own attempt, of which only the answer was lost.
            if self.read(name) == data:
                return True
            raise FileExistsError(f"{self.url}/{name} exists") from error
        self.replace(name, data)  # this store cannot create only; the caller has checked before
        return False

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whether it exists or not."""
        self._again(lambda: self._filesystem.pipe_file(self._path(name), data), "written", name)

    def copy(self, names: Iterable[tuple[str, str]]) -> None:
        """Copy objects to other names; their bytes do not leave the store."""

        def copy(pair: tuple[str, str]) -> None:
            source, target = map(self._path, pair)
            self._again(lambda: self._filesystem.cp_file(source, target), "copied", pair[0])

        at_once(copy, names)

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects, as far as they exist."""
        if paths := [self._path(name) for name in names]:
            with suppress(FileNotFoundError):
                self._again(lambda: self._filesystem.rm(paths), "removed", paths[0].rpartition("/")[2])

    def abort_uploads(self) -> int:
        """Abort multipart uploads that were never completed, where a store keeps (and bills) their parts.

        Returns:
            How many were aborted.
        """
        if not hasattr(self._filesystem, "abort_mpu"):
            return 0
        bucket, _, folder = self._root.partition("/")

        def abort() -> int:
            found = self._filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{folder}/")
            uploads = found.get("Uploads", [])
            for one in uploads:
                self._filesystem.abort_mpu(bucket, one["Key"], one["UploadId"])
            return len(uploads)

        return self._again(abort, "cleared of unfinished uploads", "")

    def check_operations(self, probe: str) -> bool:
        """Check that the store can do what a build needs: write, read, copy and remove.

        Args:
            probe: Name of an object to try this with.

        Returns:
            Whether it also refuses to create an object that exists.

        Raises:
            ShardError: If it cannot, or the credentials do not allow it.
        """
        data = b"May be removed."
        is_create_only = self.put_new(probe, data)
        if is_create_only:
            with suppress(FileExistsError):
                self.put_new(probe, data + data)
                is_create_only = False  # the store ignored the condition
        self.copy([(probe, f"{probe}-copy")])
        if self.read(f"{probe}-copy")[: len(data)] != data:
            raise ShardError(f"{self.url}: a copied object has other bytes than the object.")
        self.remove([probe, f"{probe}-copy"])
        return is_create_only

    def _path(self, name: str) -> str:
        if isinstance(self._filesystem, LocalFileSystem):
            return str(inside(self._root, name))
        return f"{self._root}/{name}"

    def _parts(self, name: str) -> Iterator[bytes]:
        with self._filesystem.open(self._path(name), "rb", block_size=PART_BYTES, cache_type="none") as file:
            size = getattr(file, "size", None)
            # Not more than there is: gcsfs asks for the parts of a large read at once, even beyond the end.
            while data := file.read(PART_BYTES if size is None else min(PART_BYTES, size - file.tell())):
                yield data

    def _again(self, request: Callable[[], Result], what: str, name: str) -> Result:
        """Repeat a request until it succeeds, or repeating makes no more sense.

        Raises:
            ShardError: With the store's last error.
            OSError: If the local disk fails; with the path.
        """
        place = f"{self.url}/{name}".rstrip("/")
        started = time.monotonic()
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with store_errors():
                    return request()
            except _Taken:
                raise
            except OSError as error:
                if isinstance(error.__cause__, NotImplementedError):
                    raise ShardError(
                        f"{place} cannot be {what}: stores of this kind do not offer that."
                    ) from error
                if error.filename is not None and not isinstance(error, _FINAL):
                    raise  # an error of a local file
                is_late = time.monotonic() - started > _DEADLINE_SECONDS
                remedy = _remedy(error)
                if remedy or isinstance(error, _FINAL) or attempt == _ATTEMPTS or is_late:
                    tries = f"{attempt} attempts failed, the last one with " if attempt > 1 else ""
                    raise ShardError(f"{place} cannot be {what}: {tries}{error}.{remedy}") from error
            RETRIES.add()
            pause = min(_MAX_BACKOFF_SECONDS, _BACKOFF_SECONDS * 2 ** (attempt - 1))
            time.sleep(pause * (1 + random.random()) / 2)
        raise AssertionError("_ATTEMPTS is at least 1")


def at_once(work: Callable[[Item], object], items: Iterable[Item]) -> None:
    """Call `work` with each item, several at the same time; the first error ends it."""
    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        for _ in pool.map(work, items):
            pass


def _is_taken(error: OSError) -> bool:
    is_said = "PreconditionFailed" in str(error) or "412" in str(error)
    return isinstance(error, FileExistsError) or is_said


def _remedy(error: OSError) -> str:
    """Return what to do about an error that repeating cannot mend, as a sentence; "" for other errors."""
    text = f"{error} {error.__cause__!r}"
    return next((f" {remedy}" for words, remedy in _REMEDIES.items() if re.search(words, text)), "")


def parts_of(path: Path) -> Iterator[bytes]:
    """Yield a file in parts."""
    with path.open("rb") as file:
        while data := file.read(PART_BYTES):
            yield data


def digest_parts(parts: Iterator[bytes], write: Callable[[bytes], object] = lambda data: None) -> Digests:
    """Write parts one after the other, and return their size and checksums."""
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    for data in parts:
        size += len(data)
        md5.update(data)
        sha256.update(data)
        write(data)
    return Digests(size, md5.hexdigest(), sha256.hexdigest())


def _md5(info: dict[str, object]) -> str | None:
    """Return the MD5 of an object as its store tells it: S3's ETag (of one part), Google's md5Hash."""
    tag = str(info.get("ETag", "")).strip('"')
    if len(tag) == 32 and all(digit in "0123456789abcdef" for digit in tag):
        return tag
    if isinstance(encoded := info.get("md5Hash"), str):
        return base64.b64decode(encoded).hex()
    return None
