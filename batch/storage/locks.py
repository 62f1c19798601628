"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from batch.errors import BusyError

_held: set[int] = set()


@contextmanager
def hold(path: Path, *, exclusive: bool, busy: str) -> Iterator[None]:
    """Holds the lock of a file or a folder that exists.

    Where the file system knows no locks (some network shares), there is none to hold.

    Args:
        path: whose lock.
        exclusive: alone, or together with others that ask for it so.
        busy: message of the `BusyError`.

    Raises:
        BusyError: another process holds it.
        OSError: the path cannot be opened.
    """
    # NFS grants an exclusive lock only to who may write.
    descriptor = os.open(path, (os.O_RDONLY if path.is_dir() else os.O_RDWR) | os.O_CLOEXEC)
    _held.add(descriptor)
    try:
        _lock(descriptor, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, busy)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, kind: int, busy: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BusyError(busy) from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.EBADF, errno.ENOSYS, errno.EINVAL):
            raise


def _let_go() -> None:
    """A lock is held until the last copy of its descriptor is closed: workers must not keep one."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)
