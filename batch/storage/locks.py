"""Locks on files and folders; a lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from batch.errors import BusyError
from batch.storage.open_files import open_descriptor

# Marks on folders, beside their locks: locks of these bytes. Processes share them, and see those of others.
_OWNS_SCANS, _READS_ALL = 0, 1
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EINVAL))

_descriptors: set[int] = set()  # of the locks that this process holds


@contextmanager
def hold(
    path: Path, *, exclusive: bool, busy: str, wait: Callable[[], object] | None = None
) -> Iterator[int]:
    """Hold the lock of a file or a folder for the time of the block, which gets its descriptor.

    On a file system without locks (some network shares), the block runs without one.

    Args:
        path: File or folder that exists.
        exclusive: True to hold the lock alone; False to share it with other processes that share it.
        busy: Message of the `BusyError`.
        wait: Waits a moment before each new attempt, or raises an exception to give up; None to try once.

    Raises:
        BusyError: Another process holds the lock.
        OSError: The path cannot be opened.
    """
    # NFS grants an exclusive lock only on a descriptor that can write.
    flags = (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_CLOEXEC
    with open_descriptor(path, flags) as descriptor:
        try:
            _descriptors.add(descriptor)
            _lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, busy, wait)
            yield descriptor
        finally:
            if descriptor in _descriptors:  # not in a process that this one forked
                _descriptors.remove(descriptor)
                _unlock(descriptor)


@contextmanager
def hold_folders(
    folders: Iterable[Path], *, exclusive: bool, recursive: bool = True, members: Iterable[Path] = ()
) -> Iterator[None]:
    """Hold the locks of folders of scans for the time of the block, and share those of the folders above.

    So no process reads scans that another one moves or deletes, even if one reads a folder in the other's
    folder. They may read folders side by side. Processes that only look may read the same folders.

    Args:
        folders: Folders that exist; they may lie in each other.
        exclusive: True to hold their locks alone; False to share them with other processes that share them.
        recursive: True if the process reads the folders to the bottom.
        members: Folders of which the process reads only some files. It shares their locks.

    Raises:
        BusyError: Another process reads one of the folders, a folder in one, or one that has one in it.
        OSError: A folder cannot be opened.
    """
    wanted = {os.path.realpath(folder): Path(folder) for folder in folders}
    shared = {os.path.realpath(folder): Path(folder) for folder in members}
    above = {str(path): path for path in with_parents([*wanted, *shared])}
    with ExitStack() as stack:
        for folder in wanted.values():
            busy = f"another digitbox is reading {folder}, or a folder in it: wait for it, or name another"
            descriptor = stack.enter_context(hold(folder, exclusive=exclusive, busy=busy))
            if recursive and not exclusive:
                _mark(descriptor, _READS_ALL, unless=_OWNS_SCANS, busy=busy)
        for real, folder in {**above, **shared}.items():
            if real in wanted:  # two locks of one process would exclude each other
                continue
            busy = f"another digitbox is reading {folder} and all in it: wait for it, or name another"
            with suppress(PermissionError):  # this user cannot see whether anybody reads it
                descriptor = stack.enter_context(hold(folder, exclusive=False, busy=busy))
                if exclusive:
                    _mark(descriptor, _OWNS_SCANS, unless=_READS_ALL, busy=busy)
        yield


def with_parents(folders: Iterable[str | Path]) -> set[Path]:
    """Return the real paths of folders, and of all folders above them."""
    paths = [Path(os.path.realpath(folder)) for folder in folders]
    return {place for path in paths for place in (path, *path.parents)}


def _lock(descriptor: int, kind: int, busy: str, wait: Callable[[], object] | None) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if wait is None:
                raise BusyError(busy) from error
            wait()
            continue
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        return


def _unlock(descriptor: int) -> None:
    """Give up a lock and its marks now: a process that is just starting, e.g. a hook, may have the file."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        if hasattr(fcntl, "F_OFD_SETLK"):
            for mark in (_OWNS_SCANS, _READS_ALL):
                fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, mark))


def _mark(descriptor: int, mark: int, *, unless: int, busy: str) -> None:
    """Set a mark on a folder until its descriptor is closed.

    Both sides set their mark before they look for the other's, so at least one of two sees it.

    Args:
        descriptor: The folder.
        mark: The mark.
        unless: The mark of other processes that excludes this one.
        busy: Message of the `BusyError`.

    Raises:
        BusyError: Another process has the other mark.
    """
    if not hasattr(fcntl, "F_OFD_SETLK"):  # only Linux has locks of an open file
        return
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_RDLCK, mark))
        found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _flock(fcntl.F_WRLCK, unless))
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return
    if found[:2] != _flock(fcntl.F_UNLCK, 0)[:2]:
        raise BusyError(busy)


def _flock(kind: int, start: int) -> bytes:
    """Return the system's record (`struct flock`) of a lock of one byte."""
    return struct.pack("hhqqi", kind, os.SEEK_SET, start, 1, 0) + bytes(4)


def _close_in_child() -> None:
    """Close the copies of the descriptors in a forked worker: a lock lives as long as its last descriptor."""
    for descriptor in _descriptors:
        with suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_close_in_child)
