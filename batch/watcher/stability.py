"""The stability of files in an inbox: those that no longer change are whole."""

from __future__ import annotations

import errno
import fcntl
import heapq
import math
import os
import stat
from dataclasses import dataclass
from typing import NamedTuple

from batch.records import ScanRef

PATIENCE = 5  # times longer that an empty or unreadable file must stay unchanged: it may still be on its way
MIN_SETTLE_S = 0.05  # between two looks at a file that somebody writes to


class _Identity(NamedTuple):
    """The facts that change if somebody writes to a file or another one takes its place."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class _Waiting:
    """A file that may still change."""

    name: str
    identity: _Identity
    due: float
    is_last_look: bool


class StabilityTracker:
    """The files that wait until they have not changed for a while, and those that are ready.

    Times are seconds of a clock that only goes forward. The files' own times do not matter.

    Attributes:
        ready: Scans that have settled, by path.
        ready_since: Time when the first of them settled; inf if none is ready.

    Args:
        settle_s: Seconds for which a file must not change.
        source: Folder of all its scans, for their rows.
    """

    def __init__(self, settle_s: float, source: str = "") -> None:
        self.ready: dict[str, ScanRef] = {}
        self.ready_since = math.inf
        self._settle_s, self._source = max(MIN_SETTLE_S, settle_s), source
        self._waiting: dict[str, _Waiting] = {}
        self._dues: list[
            tuple[float, str]
        ] = []  # a heap; it also has old entries of files that changed since
        self._last_looks: set[str] = set()

    def __len__(self) -> int:
        """Return the number of files that wait or are ready."""
        return len(self._waiting) + len(self.ready)

    def look(self, path: str, name: str, now: float) -> None:
        """Look at a file that is new or may have changed. Pass over anything but regular files.

        Args:
            path: Path of the file.
            name: Name for its row.
            now: The time.
        """
        identity = _identity(path)
        if identity is None:
            self._waiting.pop(path, None)
            return
        known = self._waiting.get(path)
        if path in self.ready or (known is not None and known.identity == identity):
            return
        self._wait(path, name, identity, now, patiently=identity.size_bytes == 0)

    def settle(self, now: float) -> None:
        """Make files ready that have not changed for long enough and that nobody writes to."""
        while self._dues and self._dues[0][0] <= now:
            due, path = heapq.heappop(self._dues)
            waiting = self._waiting.get(path)
            if waiting is None or waiting.due != due:
                continue
            identity = _identity(path)
            if identity is None:
                del self._waiting[path]
            elif identity != waiting.identity:
                self._wait(path, waiting.name, identity, now, patiently=identity.size_bytes == 0)
            elif has_writer(path):
                self._wait(path, waiting.name, identity, now, patiently=False)
            else:
                del self._waiting[path]
                if waiting.is_last_look:
                    self._last_looks.add(path)
                if not self.ready:
                    self.ready_since = now
                size_bytes, mtime_ns, inode = identity.size_bytes, identity.mtime_ns, identity.inode
                self.ready[path] = ScanRef(path, waiting.name, size_bytes, mtime_ns, inode, self._source)

    def due(self) -> float:
        """Return the earliest time when `settle` has something to do; inf if no file waits."""
        return self._dues[0][0] if self._dues else math.inf

    def take(self, max_scans: int) -> list[ScanRef]:
        """Take at most `max_scans` ready scans, in the order of their paths."""
        self._last_looks &= self.ready.keys()  # scans of earlier calls have their rows by now
        paths = sorted(self.ready)[:max_scans]
        refs = [self.ready.pop(path) for path in paths]
        self.ready_since = self.ready_since if self.ready else math.inf
        return refs

    def put_back(self, ref: ScanRef, now: float) -> bool:
        """Take back a scan that digitbox could not read, for a second and last look some time later.

        Returns:
            True if it waits again; False if this was the last look or the file is gone.
        """
        identity = _identity(ref.path)
        if ref.path in self._last_looks or identity is None:
            self._last_looks.discard(ref.path)
            return False
        self._wait(ref.path, ref.name, identity, now, patiently=True)
        return True

    def _wait(self, path: str, name: str, identity: _Identity, now: float, *, patiently: bool) -> None:
        self._last_looks.discard(path)
        due = now + self._settle_s * (PATIENCE if patiently else 1)
        self._waiting[path] = _Waiting(name, identity, due, patiently)
        heapq.heappush(self._dues, (due, path))


def has_writer(path: str) -> bool:
    """Return whether a process has the file open for writing; False where the system cannot tell.

    Linux can tell on its own file systems: it lends no read lease on a file that is open for writing. The
    process must ignore SIGIO, with which the kernel asks for the lease back.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


def _identity(path: str) -> _Identity | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
