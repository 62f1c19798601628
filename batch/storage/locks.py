"""Locks on files and folders; a lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batch.errors import BusyError

_descriptors: set[int] = set()  # of the locks that this process holds


@contextmanager
def hold(path: Path, *, exclusive: bool, busy: str) -> Iterator[None]:
    """Hold the lock of a file or a folder for the time of the block.

    On a file system without locks (some network shares), the block runs without one.

    Args:
        path: File or folder that exists.
        exclusive: True to hold the lock alone; False to share it with other processes that share it.
        busy: Message of the `BusyError`.

    Raises:
        BusyError: Another process holds the lock.
        OSError: The path cannot be opened.
    """
    # NFS grants an exclusive lock only on a descriptor that can write.
    descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_CLOEXEC)
    _descriptors.add(descriptor)
    try:
        _lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, busy)
        yield
    finally:
        _descriptors.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, kind: int, busy: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(busy) from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EINVAL):
            raise


def _close_in_child() -> None:
    """Close the copies of the descriptors in a forked worker: a lock lives as long as its last descriptor."""
    for descriptor in _descriptors:
        with suppress(OSError):
            os.close(descriptor)
    _descriptors.clear()


os.register_at_fork(after_in_child=_close_in_child)
