"""The safe ways to open a file, and the test whether a process writes to it, by the leases of Linux."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch.errors import check_means

# File systems on which other machines write, by the beginnings of their kinds.
_REMOTE_KINDS = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "fuse.",
    "afs",
    "ceph",
    "glusterfs",
    "vboxsf",
    "virtiofs",
    "prl_fs",
)
# digitbox follows no link, and does not wait for the writer of a pipe.
OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@contextmanager
def open_descriptor(path: str | os.PathLike[str], flags: int) -> Iterator[int]:
    """Open a file for the time of the block, which gets its descriptor.

    Ctrl-C comes after a call, before Python stores what the call returns. So one call opens and stores it.

    Raises:
        OSError: The file cannot be opened.
    """
    opened: list[int] = []
    try:
        opened.extend(map(os.open, [path], [flags]))
        yield opened[0]
    finally:
        if opened:
            os.close(opened[0])


@contextmanager
def open_regular(path: str | os.PathLike[str]) -> Iterator[int]:
    """Open a regular file for the time of the block, which gets its descriptor to read.

    Raises:
        OSError: The file cannot be opened, or it is a link, a folder or a device.
    """
    with open_descriptor(path, OPEN_FLAGS) as descriptor:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "a folder or a device", os.fspath(path))
        yield descriptor


def has_writer(path: str | os.PathLike[str]) -> bool | None:
    """Return whether a process has a file open for writing; see `has_open_writer`.

    Returns:
        None if the system cannot tell, also because it does not let this process open the file. False for
        what is not a regular file, or is gone.

    Raises:
        MeansError, ShareError: See `check_means`.
    """
    try:
        with open_descriptor(path, OPEN_FLAGS) as descriptor:
            return has_open_writer(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        check_means(error)
        # A link, or a socket, has no writer to wait for.
        return False if error.errno in (errno.ELOOP, errno.ENXIO) else None


def has_open_writer(descriptor: int) -> bool | None:
    """Return whether a process has a file open for writing; None if the system cannot tell.

    Linux lends no read lease on a file that is open for writing. It lends one only to the owner of the file
    or to a process with CAP_LEASE. It does not know the writers on other machines. NFS and SMB even refuse a
    lease on files without a writer.

    Args:
        descriptor: The file, open for reading only.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        return False
    if not hasattr(fcntl, "F_SETLEASE") or is_network_device(status.st_dev):
        return None
    try:
        # A writer that comes in this instant makes the kernel ask for the lease back, by a signal. A process
        # ignores this one unless it handles it; the usual SIGIO would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    return False


@functools.cache
def is_network_device(device: int) -> bool:
    """Return whether a device is a file system on which other machines write."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    number = f"{os.major(device)}:{os.minor(device)}"
    # A line is "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue".
    return any(
        line.split(" ", 3)[2:3] == [number] and line.rpartition(" - ")[2].startswith(_REMOTE_KINDS)
        for line in mounts.splitlines()
    )
