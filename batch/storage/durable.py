"""Operations on files that survive a power cut: bytes and names reach the disk before anybody needs them."""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of the headers of Linux: paths are relative to the current folder, and nothing is replaced.
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1


def sync(path: Path) -> None:
    """Write the content of a file, or the names in a folder, through to the disk.

    Raises:
        OSError: The path is gone, or the disk is full or fails.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, if they are not there.

    A scan in a folder is lost with the folder, so digitbox syncs the folder's name before it moves a scan.

    Raises:
        OSError: The folder cannot be made.
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
    """Rename a file to a name that must be free; `os.rename` would replace the other file.

    Where the system has no such call, digitbox makes a link and unlinks the source. So nobody else may write
    to the source's name there.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be renamed; with `EXDEV`, because the target is on another device.
    """
    if rename_without_replacing(source, target):
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise
        if os.path.lexists(target):  # a file system without links has no safer way
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error
        os.rename(source, target)
    else:
        os.unlink(source)


def rename_without_replacing(source: Path, target: Path) -> bool:
    """Rename a file in one step to a name that must be free, by renameat2 of Linux.

    Returns:
        False if the system or the file system has no such call.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be renamed.
    """
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` if the block succeeds.

    Raises:
        FileExistsError: There is a file of that name.
        OSError: The file cannot be written.
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
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path: Path, content: bytes) -> None:
    """Write a file whole: a reader sees all of the old content or all of the new.

    digitbox writes directly to a path that is not a regular file, e.g. a pipe or /dev/stderr.

    Raises:
        OSError: The file cannot be written.
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
    """Write a new file whole, or not at all.

    Raises:
        FileExistsError: There is a file of this name.
        OSError: The disk is full, or the folder cannot be written.
    """
    with new_file(path) as part:
        part.write_bytes(content)
