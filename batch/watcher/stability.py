"""The stability of files in an inbox: those that no longer change are whole."""

from __future__ import annotations

import heapq
import math
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from batch.inputs.settling import FAILED_PATIENCE, UNKNOWN_PATIENCE
from batch.records import ScanRef
from batch.storage.open_files import has_writer

MIN_SETTLE_S = 0.05  # between two looks at a file that somebody writes to
MAX_OPEN_S = 3600.0  # that a file without a change counts as open by its events: one of them may be lost


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
    since: float
    due: float
    is_last_look: bool


class StabilityTracker:
    """The files that wait until they have not changed for a while, and those that are ready.

    Times are seconds of a clock that only goes forward. The files' own times do not matter.

    The system tells most watchers whether a process has a file open for writing. If it does not, the events
    of the file tell: it is open from its first change until somebody closes it. Without events, the file must
    not change for much longer.

    Attributes:
        ready: Scans that have settled, by path.
        ready_since: Time when the first of them settled; inf if none is ready.
        is_guessing: Whether the system did not tell of some file whether somebody writes to it.

    Args:
        settle_s: Seconds for which a file must not change.
        clock: A function that returns seconds and only goes forward.
        source: Folder of all its scans, for their rows.
        is_open: A function that returns whether a path is open by its events; None if they do not say.
    """

    def __init__(
        self,
        settle_s: float,
        clock: Callable[[], float],
        source: str,
        is_open: Callable[[str], bool | None],
    ) -> None:
        self.ready: dict[str, ScanRef] = {}
        self.ready_since = math.inf
        self.is_guessing = False
        self._settle_s, self._source = max(MIN_SETTLE_S, settle_s), source
        self._clock, self._is_open = clock, is_open
        self._waiting: dict[str, _Waiting] = {}
        # A heap; it also has old entries of files that changed since.
        self._dues: list[tuple[float, str]] = []
        self._last_looks: set[str] = set()
        # Files that are ready although their events say that they are open.
        self._lost_closes: set[str] = set()

    def __len__(self) -> int:
        """Return the number of files that wait or are ready."""
        return len(self._waiting) + len(self.ready)

    def look(self, path: str, name: str, heard: float | None = None) -> None:
        """Look at a file that is new or may have changed. Pass over anything but regular files.

        Args:
            path: Path of the file.
            name: Name for its row.
            heard: Since when the file counts as unchanged: the time of its last event. None for now.
        """
        identity = _identity(path)
        now = self._clock() if heard is None else heard  # a look can take long: the time is that after it
        if identity is None:
            self._waiting.pop(path, None)
            return
        if path in self.ready:
            return
        known = self._waiting.get(path)
        if known is None or known.identity != identity:
            self._wait(path, name, identity, now)
        elif (due := max(now, self._guessed_due(path, known.since))) < known.due and not known.is_last_look:
            self._plan(path, known, due)  # somebody has closed it, or events were lost

    def settle(self) -> None:
        """Make files ready that have not changed for long enough and that nobody writes to."""
        began = self._clock()
        while self._dues and self._dues[0][0] <= began:
            due, path = heapq.heappop(self._dues)
            waiting = self._waiting.get(path)
            if waiting is None or waiting.due != due:
                continue
            identity, now = _identity(path), self._clock()
            if identity is None:
                del self._waiting[path]
            elif identity != waiting.identity:
                self._wait(path, waiting.name, identity, now)
            elif (next_look := self._next_look(path, waiting.since, now)) > now:
                self._plan(path, waiting, next_look)
            else:
                del self._waiting[path]
                if waiting.is_last_look:
                    self._last_looks.add(path)
                if self._is_open(path):
                    self._lost_closes.add(path)
                self.ready_since = min(self.ready_since, due)
                self.ready[path] = ScanRef(
                    path,
                    waiting.name,
                    identity.size_bytes,
                    identity.mtime_ns,
                    identity.inode,
                    self._source,
                    identity.ctime_ns,
                )

    def due(self) -> float:
        """Return the earliest time when `settle` has something to do; inf if no file waits."""
        return self._dues[0][0] if self._dues else math.inf

    def take(self, max_scans: int) -> list[ScanRef]:
        """Take at most `max_scans` ready scans, in the order of their paths."""
        self._last_looks &= self.ready.keys()  # scans of earlier calls have their rows by now
        self._lost_closes &= self.ready.keys()
        paths = sorted(self.ready)[:max_scans]
        refs = [self.ready.pop(path) for path in paths]
        self.ready_since = self.ready_since if self.ready else math.inf
        return refs

    def put_back(self, ref: ScanRef) -> bool:
        """Take back a scan that digitbox could not read, for a second and last look some time later.

        Returns:
            True if it waits again; False if this was the last look or the file is gone.
        """
        identity = _identity(ref.path)
        if ref.path in self._last_looks or identity is None:
            self._last_looks.discard(ref.path)
            return False
        self._wait(ref.path, ref.name, identity, self._clock(), patiently=True)
        return True

    def is_written(self, path: str) -> bool:
        """Return whether somebody writes to a file now, as far as the system or its events tell."""
        writer = has_writer(path)
        if writer is None:
            return self._is_open(path) is True and path not in self._lost_closes
        return writer

    def _wait(
        self, path: str, name: str, identity: _Identity, now: float, *, patiently: bool = False
    ) -> None:
        self._last_looks.discard(path)
        due = now + self._settle_s * (FAILED_PATIENCE if patiently else 1)
        self._plan(path, _Waiting(name, identity, now, due, patiently), due)

    def _plan(self, path: str, waiting: _Waiting, due: float) -> None:
        waiting.due = due
        self._waiting[path] = waiting
        heapq.heappush(self._dues, (due, path))

    def _next_look(self, path: str, since: float, now: float) -> float:
        """Return when to look again at a file that has not changed `since`, at most `now` if it is whole."""
        writer = has_writer(path)
        if writer is not None:
            return now + self._settle_s if writer else now
        self.is_guessing = True
        return self._guessed_due(path, since)

    def _guessed_due(self, path: str, since: float) -> float:
        """Return when a file that has not changed `since` counts as whole, if the system says nothing."""
        is_open = self._is_open(path)
        if is_open:
            return since + MAX_OPEN_S
        return since + self._settle_s * (UNKNOWN_PATIENCE if is_open is None else 1)


def _identity(path: str) -> _Identity | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return _Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
