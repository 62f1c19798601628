"""The pool of workers: it replaces those that die or fall silent, and finds the scan that is to blame."""

from __future__ import annotations

import itertools
import logging
import math
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing import connection
from time import monotonic

from batch.engines.workers import ScanReader, Worker, read_all
from batch.errors import RunError
from batch.locations import is_remote
from batch.records import Outcome, Reason, ScanRef, Status
from batch.terminal.log import event
from batch.text import count

_log = logging.getLogger(__name__)

LISTEN_S = 1.0  # that the pool waits at a time: a process that was stopped meanwhile counts only so much
STORE_PATIENCE_S = 600.0  # for object storage beside the limit: its own limits end a request that hangs
START_LIMIT_S = 600.0  # for a worker to load its model, with TensorFlow on a busy machine
MAX_FAILED_STARTS = 3  # in a row; more are no accident


def can_fork() -> bool:
    """Return whether this process may fork: on Linux, without other threads and without TensorFlow."""
    return sys.platform == "linux" and threading.active_count() == 1 and "tensorflow" not in sys.modules


@dataclass(slots=True)
class _Chunk:
    """Scans whose outcomes belong together, and the outcomes so far."""

    refs: list[ScanRef]
    limit_s: float
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    error: Exception | None = None

    def is_done(self) -> bool:
        return self.error is not None or len(self.outcomes) == len(self.refs)


@dataclass(slots=True)
class _Part:
    """Scans for one worker.

    Attributes:
        chunk: The chunk that they belong to.
        places: Their places in it.
        suspicion: What a scan did to a worker if this one is read alone because it may have done it.
    """

    chunk: _Chunk
    places: range
    suspicion: Reason | None = None

    def add(self, outcomes: list[Outcome]) -> None:
        """Take the outcomes of the scans."""
        self.chunk.outcomes.update(zip(self.places, outcomes, strict=True))

    @property
    def refs(self) -> list[ScanRef]:
        """Return the scans."""
        return self.chunk.refs[self.places.start : self.places.stop]


class Pool:
    """Workers that read chunks of scans; `close` ends them.

    Args:
        reader: Reads scans. Each worker builds its own model from it, once.
        limit_s: Seconds without a sign of life after which a worker hangs; None for no limit.
        forks: Allow this process to fork.
    """

    def __init__(self, reader: ScanReader, limit_s: float | None, *, forks: bool) -> None:
        self._reader, self._limit_s, self._forks = reader, limit_s, forks
        self._workers: dict[Worker, _Part | None] = {}  # what each reads
        self._waiting: deque[_Part] = deque()
        self._most, self._failed_starts, self._losses, self._has_warned = 1, 0, 0, False

    def close(self) -> None:
        """End all workers, whatever they do."""
        for worker in list(self._workers):
            self._remove(worker)

    def start(self, workers: int) -> None:
        """Start workers now, and wait until one of them has loaded the model.

        Raises:
            RunError: The model cannot be loaded.
        """
        self._most = workers
        while len(self._workers) < self._most and self._add_worker():
            pass
        while self._workers and not any(worker.is_ready for worker in self._workers):
            self._listen()

    def read(self, chunks: Iterator[list[ScanRef]], workers: int) -> Iterator[list[Outcome]]:
        """Read chunks with at most so many workers; yield the outcomes of each in the order of the chunks.

        If this process can start no worker, it reads the scans itself. When it lost a worker, it yields an
        empty list: many scans that hang take long, and a service must give signs of life meanwhile.

        Raises:
            RunError: The run cannot go on.
        """
        self._most, self._failed_starts = workers, 0
        begun: deque[_Chunk] = deque()
        try:
            while True:
                # A few chunks ahead keep the workers busy. More would only take memory.
                for refs in itertools.islice(chunks, 2 * workers + 2 - len(begun)):
                    begun.append(_Chunk(refs, self._limit_of(refs)))
                    self._waiting.append(_Part(begun[-1], range(len(refs))))
                if not begun:
                    return
                while not begun[0].is_done():
                    self._hand_out()
                    if any(part is not None or not worker.is_ready for worker, part in self._workers.items()):
                        losses = self._losses
                        self._listen()
                        if self._losses > losses:
                            yield []
                self._hand_out()
                chunk = begun.popleft()
                if chunk.error is not None:
                    raise chunk.error
                yield [chunk.outcomes[place] for place in range(len(chunk.refs))]
        finally:
            self._waiting.clear()
            for worker, part in list(self._workers.items()):
                if part is not None:  # nobody needs the outcomes
                    self._remove(worker)

    def _hand_out(self) -> None:
        """Give the waiting parts to idle workers; start workers if there are too few."""
        while self._waiting:
            idle = next((w for w, part in self._workers.items() if w.is_ready and part is None), None)
            if idle is None:
                starting = sum(not worker.is_ready for worker in self._workers)
                if len(self._workers) < self._most and starting < len(self._waiting) and self._add_worker():
                    continue
                if self._workers:
                    return
                self._read_here(self._waiting.popleft())
                continue
            part = self._waiting.popleft()
            try:
                idle.send(part.refs)
            except (BlockingIOError, ConnectionError):
                self._remove(idle)  # it died or was stopped while it had nothing to do
                self._waiting.appendleft(part)
            else:
                self._workers[idle] = part

    def _listen(self) -> None:
        """Wait for a message; take what the workers say, and lose those that are silent for too long."""
        busy = {
            worker: part for worker, part in self._workers.items() if part is not None or not worker.is_ready
        }
        limits_s = {worker: part.chunk.limit_s if part else START_LIMIT_S for worker, part in busy.items()}
        wait_s = max(0.0, min(LISTEN_S, *(limit_s - worker.silent_s for worker, limit_s in limits_s.items())))
        started_s = monotonic()
        heard = connection.wait([worker.connection for worker in busy], wait_s)
        waited_s = min(monotonic() - started_s, wait_s)
        for worker in busy:
            if worker.connection in heard:
                self._hear(worker)
                continue
            worker.silent_s += waited_s
            if worker.silent_s >= limits_s[worker]:
                self._lose(worker, Reason.TIMEOUT)

    def _limit_of(self, refs: list[ScanRef]) -> float:
        """Return the seconds that a worker may be silent while it reads these scans."""
        if self._limit_s is None:
            return math.inf
        return self._limit_s + STORE_PATIENCE_S * any(is_remote(ref.path) for ref in refs)

    def _hear(self, worker: Worker) -> None:
        try:
            message = worker.receive()
        except BlockingIOError:
            self._lose(worker, Reason.TIMEOUT)
            return
        except (EOFError, OSError):
            self._lose(worker, Reason.WORKER_CRASHED)
            return
        part = self._workers[worker]
        if message is None:
            return
        if part is None:
            if isinstance(message, Exception):
                raise message
            worker.is_ready, self._failed_starts = True, 0
            return
        self._workers[worker] = None
        if isinstance(message, Exception):
            part.chunk.error = message
        else:
            part.add(message)

    def _lose(self, worker: Worker, reason: Reason) -> None:
        """Let go of a worker that died or hangs, and find the scan that is to blame."""
        part = self._workers[worker]
        self._remove(worker)
        self._losses += 1
        if part is None:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                self._do_with_fewer("it ended before it could begin")
        elif part.suspicion is not None:
            part.add([Outcome(part.refs[0], Status.FAILED, reason)])
        else:  # each scan gets a worker for itself
            alone = [_Part(part.chunk, range(place, place + 1), reason) for place in part.places]
            self._waiting.extendleft(reversed(alone))

    def _add_worker(self) -> bool:
        """Start a worker; return whether the system has the means."""
        try:
            worker = Worker(self._reader, forks=self._forks and can_fork(), limit_s=self._limit_s)
        except OSError as error:
            self._do_with_fewer(error.strerror or str(error))
            return False
        self._workers[worker] = None
        return True

    def _do_with_fewer(self, why: str) -> None:
        """Go on with the workers that there are, and say so once."""
        self._most = len(self._workers)
        if not self._has_warned:
            self._has_warned = True
            how = "in this process, which no --scan-timeout protects"
            if self._most:
                how = f"with {count(self._most, 'worker')}"
            facts = event("workers", workers=self._most)
            _log.warning(f"a worker cannot be started ({why}): reading {how}", extra=facts)

    def _read_here(self, part: _Part) -> None:
        """Read scans in this process. A scan that may have killed or stopped a worker fails at once."""
        if part.suspicion is not None:
            part.add([Outcome(part.refs[0], Status.FAILED, part.suspicion)])
            return
        try:
            part.add(read_all(self._reader, part.refs))
        except RunError as error:
            part.chunk.error = error

    def _remove(self, worker: Worker) -> None:
        del self._workers[worker]
        worker.kill()
