"""What must outlive a power cut: names and bytes that are on the disk before anybody relies on them."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
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
    if os.path.isdir(path):
        return
    make_folder(path.parent)
    try:
        path.mkdir(exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from error
    sync(path.parent)


def rename_new(source: Path, target: Path) -> None:
    """Renames a file to a name that must be free, which a rename alone would not mind.

    Raises:
        FileExistsError: the name is taken.
        OSError: it cannot be renamed; with `EXDEV`, for the target is on another device.
    """
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        if os.path.lexists(target):  # where there are no links, nothing better can be done than to ask
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(source, target)
    else:
        os.unlink(source)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Where to write a file that appears as `path` when it is whole, if the block ends well.

    Raises:
        FileExistsError: there is one of that name.
        OSError: it cannot be written.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    part = path.with_name(f".{secrets.token_hex(4)}.part")
    try:
        yield part
        sync(part)
        rename_new(part, path)
        sync(path.parent)
    finally:
        part.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Writes a file whole: who reads it sees what was there, or all that is new.

    What is no file, such as a pipe or /dev/stderr, is written to.

    Raises:
        OSError: it cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        target.write_bytes(content)
        return
    part = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        sync(part)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(target.parent)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file whole, or not at all, and never over another one.

    Raises:
        FileExistsError: there is one of this name.
        OSError: the disk is full, or the folder cannot be written.
    """
    with new_file(path) as part:
        part.write_bytes(content)
