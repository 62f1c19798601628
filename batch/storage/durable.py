"""Operations on files that survive a power cut: bytes and names reach the disk before anybody needs them."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import hashlib
import os
import re
import secrets
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from batch.storage.open_files import open_descriptor

MAX_READER_WAIT_S = 10  # that digitbox waits for the reader of a full pipe

_PART = re.compile(r"\.digitbox-[0-9a-f]{8}\.part")  # names of temporary files
_LOOK_FLAGS = os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC  # NFS locks what can be written
_DEVICE_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")  # other names of what is open, e.g. of a log
_cleaned: set[str] = set()  # folders in which this process has removed leftovers

# Of the headers of Linux: paths are relative to the current folder; nothing is replaced; two change places.
_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCHANGE = -100, 1, 2


def sync(path: Path) -> None:
    """Write the content of a file, or the names in a folder, through to the disk.

    Raises:
        OSError: The path is gone, or the disk is full or fails.
    """
    with open_descriptor(path, os.O_RDONLY | os.O_CLOEXEC) as descriptor:
        _sync_open(descriptor)


def _sync_open(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


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


def are_on_other_mounts(path: Path, folder: Path) -> bool:
    """Return whether a file can only be copied into a folder: a rename stays within a mount.

    Two volumes of a container may be folders of one device, and are two mounts all the same.
    """
    if os.lstat(path).st_dev != os.stat(folder).st_dev:
        return True
    mounts = _mount_of(path.parent), _mount_of(folder)
    return None not in mounts and mounts[0] != mounts[1]


def _mount_of(folder: Path) -> bytes | None:
    """Return the number of the mount of a folder; None if the system does not tell."""
    try:
        with open_descriptor(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) as descriptor:
            # A line is "mnt_id:\t29".
            lines = Path(f"/proc/self/fdinfo/{descriptor}").read_bytes().splitlines()
    except OSError:
        return None
    return next((line for line in lines if line.startswith(b"mnt_id:")), None)


def rename_without_replacing(source: Path, target: Path) -> bool:
    """Rename a file in one step to a name that must be free, by renameat2 of Linux.

    Returns:
        False if the system or the file system has no such call.

    Raises:
        FileExistsError: The name is taken.
        OSError: The file cannot be renamed.
    """
    return _rename(source, target, _RENAME_NOREPLACE)


def exchange(first: Path, second: Path) -> bool:
    """Let two files or folders take each other's name in one step, by renameat2 of Linux.

    Returns:
        False if the system or the file system has no such call.

    Raises:
        OSError: One of them is missing, or cannot be renamed.
    """
    return _rename(first, second, _RENAME_EXCHANGE)


def _rename(source: Path, target: Path, flag: int) -> bool:
    call = _renameat2()
    if call is None:
        return False
    if call(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(target))


@functools.cache
def _renameat2() -> Callable[..., int] | None:
    """Return the function of the C library; None if it has none."""
    return getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary file to write to, and give it the name `path` if the block succeeds.

    Raises:
        FileExistsError: There is a file of that name.
        OSError: The file cannot be written.
    """
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    remove_leftovers(path.parent)
    with _temporary_file(path.parent, lambda part: rename_new(part, path)) as file:
        yield file


def digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace(path: Path, content: bytes, mode: int | None = None) -> None:
    """Write a file whole: a reader sees all of the old content or all of the new.

    digitbox writes directly to a path that is not a regular file, e.g. a pipe or /dev/stderr.

    Args:
        path: The file.
        content: All of its bytes.
        mode: Its permissions; None for those of any new file.

    Raises:
        OSError: The file cannot be written; or nobody reads the pipe.
    """
    target = Path(os.path.realpath(path))
    is_stream = os.path.abspath(path).startswith(_STREAMS)
    if is_stream or (os.path.exists(path) and not os.path.isfile(path)):
        _write_to_device(path, content)
        return
    if str(target.parent) not in _cleaned:  # there may be many files to replace in one folder
        _cleaned.add(str(target.parent))
        remove_leftovers(target.parent)
    with _temporary_file(target.parent, lambda part: os.replace(part, target)) as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(content)


def write_new(path: Path, content: bytes) -> None:
    """Write a new file whole, or not at all.

    Raises:
        FileExistsError: There is a file of this name.
        OSError: The disk is full, or the folder cannot be written.
    """
    with new_file(path) as file:
        file.write(content)


def remove_leftovers(folder: Path) -> None:
    """Delete the temporary files of processes that were killed while they wrote to a folder.

    A process holds a lock on its file. Without locks (some network shares), digitbox cannot tell, and
    leaves them.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        parts = [entry.path for entry in entries if _PART.fullmatch(entry.name)]
        for part in parts:
            with suppress(OSError), open_descriptor(part, _LOOK_FLAGS) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(part)


@contextmanager
def _temporary_file(folder: Path, finish: Callable[[Path], object]) -> Iterator[IO[bytes]]:
    """Yield a locked file of a hidden name; sync and finish it if the block succeeds, else delete it."""
    part, opened = _open_part(folder)
    try:
        with opened as file:  # it is open, and so locked, until it has its name
            yield file
            file.flush()
            _sync_open(file.fileno())
            finish(part)
        sync(folder)
    finally:
        part.unlink(missing_ok=True)


def _open_part(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make and lock a new file; return its path and the open file."""
    while True:
        part = folder / f".digitbox-{secrets.token_hex(4)}.part"
        file = part.open("xb")
        with suppress(OSError):  # a network share may have no locks
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        # Before the lock, another process may have taken the file for a leftover.
        if os.path.lexists(part):
            return part, file
        file.close()


def _write_to_device(path: Path, content: bytes) -> None:
    """Write to a pipe, a terminal or a device, and never wait long for its reader."""
    try:
        with open_descriptor(path, _DEVICE_FLAGS) as descriptor:
            poll = select.poll()
            poll.register(descriptor, select.POLLOUT)
            while content:
                if not poll.poll(MAX_READER_WAIT_S * 1000):
                    raise TimeoutError(errno.ETIMEDOUT, "nobody reads this pipe", str(path))
                content = content[os.write(descriptor, content) :]
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise OSError(errno.ENXIO, "nobody reads this pipe", str(path)) from error
