"""The bytes of a checkpoint file: what `torch.save` writes, and the sha256 of that as the zip file's comment.

`torch.load` reads such a file like any other, and does not notice a changed byte of a weight; this does.
"""

import hashlib
import io
from pathlib import Path
from typing import Any, Literal

import torch

# How a zip file ends that has no comment: a record of 22 bytes, the last two of them the comment's length.
_END_MARK = b"PK\x05\x06"
_END_BYTES = 22
_MARK = b"vidprep sha256 "
_COMMENT_BYTES = len(_MARK) + 64
_CHUNK_BYTES = 2**20

Checked = Literal["as written", "changed", "no checksum", "other end"]


def checkpoint_bytes(content: dict[str, Any]) -> bytes:
    """Return the bytes of a checkpoint file, its checksum included."""
    file = io.BytesIO()
    torch.save(content, file)
    file.seek(-2, io.SEEK_END)
    file.write(_COMMENT_BYTES.to_bytes(2, "little"))
    file.write(_MARK + hashlib.sha256(file.getbuffer()).hexdigest().encode())
    return file.getvalue()


def check_bytes(path: Path) -> Checked:
    """Compare a file of weights with the checksum that it holds.

    Returns:
        "as written" or "changed", by the checksum; "no checksum" for a zip file without a comment, as release
        0.1 and `torch.save` write it, and for anything that is no zip file; "other end" for a zip file with
        another comment, which vidprep did not write.
    """
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _COMMENT_BYTES))
        end = file.read()
        file.seek(0)
        if not end.startswith(_MARK):
            is_plain = end[-_END_BYTES:].startswith(_END_MARK) and end.endswith(b"\0\0")
            return "no checksum" if is_plain or file.read(2) != _END_MARK[:2] else "other end"
        digest = hashlib.sha256()
        left = size - _COMMENT_BYTES
        while chunk := file.read(min(left, _CHUNK_BYTES)):
            digest.update(chunk)
            left -= len(chunk)
    return "as written" if end == _MARK + digest.hexdigest().encode() else "changed"
