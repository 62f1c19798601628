"""Settling: which files of an inbox are whole, as far as can be told without reading them."""

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

# A file that is empty or cannot be read may be still on its way: it must stay as it is so many times longer.
PATIENCE = 5
SHORTEST_S = 0.05  # a file that is being written to is not asked about all the time


class _Identity(NamedTuple):
    """What changes when a file is written to, or another one takes its place."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class _Waiting:
    """A file that was seen, and may still change."""

    name: str
    identity: _Identity
    due: float
    is_last_look: bool


class StabilityTracker:
    """Keeps files until they have not changed for a while; they are told from it by `look`.

    Times are seconds of a clock that only goes forward; the files' own times do not matter.

    Attributes:
        ready: scans that have settled, by path.
        ready_since: when the first of them did.

    Args:
        settle_s: for how long a file must stay as it is.
        source: the folder that all scans are found in, for their rows.
    """

    def __init__(self, settle_s: float, source: str = "") -> None:
        self.ready: dict[str, ScanRef] = {}
        self.ready_since = math.inf
        self._settle_s, self._source = max(SHORTEST_S, settle_s), source
        self._waiting: dict[str, _Waiting] = {}
        self._dues: list[tuple[float, str]] = []  # a heap; has those, too, that were put off since
        self._last_looks: set[str] = set()

    def __len__(self) -> int:
        """Number of files that wait or are ready."""
        return len(self._waiting) + len(self.ready)

    def look(self, path: str, name: str, now: float) -> None:
        """Looks at a file that is new, or may have changed; what is no regular file is passed over.

        Args:
            path: of the file.
            name: for its row.
            now: time.
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
        """Makes ready what has not changed for long enough and is not being written to."""
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
        """When `settle` has something to do, at the earliest; infinity when nothing waits."""
        return self._dues[0][0] if self._dues else math.inf

    def take(self, most: int) -> list[ScanRef]:
        """Hands over what is ready, in the order of the paths."""
        self._last_looks &= self.ready.keys()  # those taken before have their rows by now
        paths = sorted(self.ready)[:most]
        taken = [self.ready.pop(path) for path in paths]
        self.ready_since = self.ready_since if self.ready else math.inf
        return taken

    def put_back(self, ref: ScanRef, now: float) -> bool:
        """Takes back a scan that could not be read, for a second and last look some time later.

        Returns:
            Whether it waits again; not when this was the last look, or the file is gone.
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
    """Whether some process has the file open for writing; no, where that cannot be told.

    Linux tells on its own file systems: it lends no read lease on a file that is open for writing. The
    process must ignore SIGIO, by which it would be asked to give the lease back.
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
        found = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
