"""What copying to and from a store needs of it, whichever it is."""

import base64
import hashlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import fsspec

from vidprep.errors import ShardError
from vidprep.files import store_errors

Result = TypeVar("Result")

PART_BYTES = 32 << 20  # what is held in memory of a file; a part of a multipart upload
_ATTEMPTS = 5
_BACKOFF_SECONDS = 0.5
_FINAL = (FileNotFoundError, PermissionError, ShardError)


@dataclass(frozen=True)
class StoredObject:
    """What a store says of an object.

    Attributes:
        size_bytes: Of its content.
        md5: Of its content in hexadecimal digits; None where the store does not tell.
    """

    size_bytes: int
    md5: str | None


@dataclass(frozen=True)
class Digests:
    """What was read or written.

    Attributes:
        size_bytes: How much.
        md5: Of it.
        sha256: Of it.
    """

    size_bytes: int
    md5: str
    sha256: str


class Store:
    """A folder of an object store; failed requests are made again, after a wait that doubles.

    Args:
        url: The folder, e.g. "s3://bucket/k400".

    Raises:
        ShardError: If nothing knows such URLs.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            with store_errors():
                self._filesystem, self._root = fsspec.core.url_to_fs(self.url)
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
        """Read an object and return its checksums; no more than a part of it is in memory."""
        return self._again(lambda: digest_parts(self._parts(name)), "read", name)

    def fetch(self, name: str, path: Path) -> Digests:
        """Copy an object to a file; no more than a part of it is in memory."""

        def copy() -> Digests:
            with path.open("wb") as file:
                return digest_parts(self._parts(name), file.write)

        return self._again(copy, "read", name)

    def put(self, path: Path, name: str) -> Digests:
        """Copy a file to an object, which appears when it is whole; a failed upload leaves nothing behind."""

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
            FileExistsError: If it exists.
        """
        try:
            with store_errors():
                self._filesystem.pipe_file(self._path(name), data, mode="create")
            return True
        except FileExistsError:
            raise
        except OSError as error:
            if "PreconditionFailed" in str(error) or "412" in str(error):
                raise FileExistsError(str(error)) from error
            self.replace(name, data)  # a store without such a thing; the caller has looked
            return False

    def replace(self, name: str, data: bytes) -> None:
        """Write an object, whether it exists or not."""
        self._again(lambda: self._filesystem.pipe_file(self._path(name), data), "written", name)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _parts(self, name: str) -> Iterator[bytes]:
        with self._filesystem.open(self._path(name), "rb", block_size=PART_BYTES, cache_type="none") as file:
            while data := file.read(PART_BYTES):
                yield data

    def _again(self, request: Callable[[], Result], what: str, name: str) -> Result:
        """Make a request until it succeeds, or as often as makes sense.

        Raises:
            ShardError: With the last error.
            OSError: Of the local disk, with its path.
        """
        place = f"{self.url}/{name}".rstrip("/")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with store_errors():
                    return request()
            except OSError as error:
                if error.filename is not None and not isinstance(error, _FINAL):
                    raise  # of a file of ours
                if isinstance(error, _FINAL) or attempt == _ATTEMPTS:
                    tries = f"{attempt} attempts failed, the last one with " if attempt > 1 else ""
                    raise ShardError(f"{place} cannot be {what}: {tries}{error}.") from error
            time.sleep(_BACKOFF_SECONDS * 2 ** (attempt - 1) * (1 + random.random()) / 2)
        raise AssertionError("_ATTEMPTS is at least 1")


def parts_of(path: Path) -> Iterator[bytes]:
    """Yield a file in parts."""
    with path.open("rb") as file:
        while data := file.read(PART_BYTES):
            yield data


def digest_parts(parts: Iterator[bytes], write: Callable[[bytes], object] = lambda data: None) -> Digests:
    """Write parts one after the other, and return their checksums."""
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
