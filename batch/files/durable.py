"""What must outlive a power cut: names and bytes that are on the disk before anybody relies on them."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from pathlib import Path


def sync(path: Path) -> None:
    """Has a file's content, or a folder's names, written to the disk.

    Raises:
        OSError: it is gone, or the disk is full or failing.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no such thing for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Makes a folder, and those above it, unless they are there.

    A scan that is moved into a folder is lost with the folder, so the folder's name is synced before.

    Raises:
        OSError: it cannot be made.
    """
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_new(path: Path, content: bytes) -> None:
    """Writes a file whole, or not at all, and never over another one.

    Raises:
        FileExistsError: there is one of this name.
        OSError: the disk is full, or the folder cannot be written.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = _written(path, content)
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        os.rename(part, path)  # the file system knows no links (FAT, some shares)
        sync(path.parent)
        return
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Writes a file whole, in the place of one of its name, or leaves that as it is.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    part = _written(path, content)
    try:
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


def _written(path: Path, content: bytes) -> Path:
    """Writes a file that no reader looks at, beside the one that it will be."""
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        part.write_bytes(content)
        sync(part)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part
