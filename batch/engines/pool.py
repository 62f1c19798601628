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
from typing import Self

from batch.engines.paged import PagedScan, PageRequest
from batch.engines.workers import Progress, ScanReader, Worker, read_all, read_by_pages
from batch.errors import RunError
from batch.locations import is_remote
from batch.records import Outcome, Reason, ScanRef, by_file
from batch.terminal.log import event
from batch.text import count

_log = logging.getLogger(__name__)

LISTEN_S = 1.0  # that the pool waits at a time: a process that was stopped meanwhile counts only so much
STORE_PATIENCE_S = 600.0  # for object storage beside the limit: its own limits end a request that hangs
START_LIMIT_S = 600.0  # for a worker to load its model, with TensorFlow on a busy machine
MAX_FAILED_STARTS = 3  # in a row; more are no accident
GUARD_ADVICE = 'put the call of digitbox below `if __name__ == "__main__":`'


def can_fork() -> bool:
    """Return whether this process may fork: on Linux, without other threads and without TensorFlow."""
    return sys.platform == "linux" and threading.active_count() == 1 and "tensorflow" not in sys.modules


@dataclass(slots=True)
class _Chunk:
    """Scans whose outcomes belong together, and the outcomes so far.

    Attributes:
        refs: The scans.
        limit_s: Seconds that a worker may be silent while it reads one of them.
        reads_long: False to leave scans of very many pages as they are, `several_pages`.
        outcomes: The outcomes of each scan, by its place.
        error: Why the run cannot go on.
    """

    refs: list[ScanRef]
    limit_s: float
    reads_long: bool = True
    outcomes: dict[int, list[Outcome]] = field(default_factory=dict)
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
            Without `paged`, it may still be one of very many pages, which the caller reads later.
        paged: The pages of the only scan, if they come one after the other.
    """

    chunk: _Chunk
    places: range
    suspicion: Reason | None = None
    paged: PagedScan | None = None

    @classmethod
    def alone(cls, chunk: _Chunk, place: int, ref: ScanRef, suspicion: Reason | None = None) -> Self:
        """Return a part with a single scan, whose pages come one after the other."""
        return cls(chunk, range(place, place + 1), suspicion, PagedScan(ref))

    def split(self, suspicion: Reason) -> list[_Part]:
        """Return a part for each scan, as one of them did something to a worker."""
        if len(self.places) > 1 and not self.chunk.reads_long:
            return [_Part(self.chunk, range(place, place + 1), suspicion) for place in self.places]
        return [_Part.alone(self.chunk, place, self.chunk.refs[place], suspicion) for place in self.places]

    def add(self, outcomes: list[Outcome]) -> list[_Part]:
        """Take the outcomes of the scans; return a part for each scan of very many pages."""
        parts = []
        for place, of_scan in zip(self.places, by_file(outcomes), strict=True):
            if of_scan[0].is_announcement and self.chunk.reads_long:
                parts.append(_Part.alone(self.chunk, place, of_scan[0].ref))
            else:
                self.chunk.outcomes[place] = of_scan
        return parts

    def finish(self) -> bool:
        """Return whether all pages are there, and take them if they are."""
        assert self.paged is not None
        if self.paged.is_done:
            self.chunk.outcomes[self.places.start] = self.paged.outcomes
        return self.paged.is_done

    @property
    def refs(self) -> list[ScanRef]:
        """Return the scans."""
        return self.chunk.refs[self.places.start : self.places.stop]

    @property
    def request(self) -> list[ScanRef] | PageRequest:
        """Return what to ask a worker for."""
        return self.refs if self.paged is None else self.paged.request


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

    def read(
        self, chunks: Iterator[list[ScanRef]], workers: int, *, reads_long: bool = True
    ) -> Iterator[list[Outcome]]:
        """Read chunks with at most so many workers; yield the outcomes of each in the order of the chunks.

        If this process can start no worker, it reads the scans itself. It yields an empty list when it lost a
        worker, and once a second while workers go on: a service must give signs of life meanwhile.

        Args:
            chunks: The scans.
            workers: The largest number of workers.
            reads_long: False to leave scans of very many pages as they are, `several_pages`.

        Raises:
            RunError: The run cannot go on.
        """
        self._most, self._failed_starts = workers, 0
        begun: deque[_Chunk] = deque()
        yielded_s = monotonic()
        try:
            while True:
                # A few chunks ahead keep the workers busy. More would only take memory.
                for refs in itertools.islice(chunks, 2 * workers + 2 - len(begun)):
                    begun.append(_Chunk(refs, self._limit_of(refs), reads_long))
                    self._waiting.append(_Part(begun[-1], range(len(refs))))
                if not begun:
                    return
                while not begun[0].is_done():
                    self._hand_out()
                    if any(part is not None or not worker.is_ready for worker, part in self._workers.items()):
                        losses = self._losses
                        has_heard = self._listen()
                        if self._losses > losses or (has_heard and monotonic() - yielded_s >= LISTEN_S):
                            yielded_s = monotonic()
                            yield []
                if self._workers:  # without any, it would read before this chunk is out
                    self._hand_out()
                chunk = begun.popleft()
                if chunk.error is not None:
                    raise chunk.error
                yield [outcome for place in range(len(chunk.refs)) for outcome in chunk.outcomes[place]]
        finally:
            self._stop_reading()

    def read_long(self, ref: ScanRef, workers: int, wait_s: float) -> Iterator[list[Outcome]]:
        """Read a scan of very many pages in one worker, while the caller does other things.

        Args:
            ref: The scan.
            workers: 1, or 0 to read it in this process, in a single step.
            wait_s: Seconds that each step takes at most.

        Yields:
            Nothing in a list, again and again, and at the end the outcomes of all pages.

        Raises:
            RunError: The run cannot go on.
        """
        self._most, self._failed_starts = workers, 0
        chunk = _Chunk([ref], self._limit_of([ref]))
        self._waiting.append(_Part.alone(chunk, 0, ref))
        try:
            while not chunk.is_done():
                self._hand_out()
                if self._workers:
                    self._listen(wait_s)
                yield []
            if chunk.error is not None:
                raise chunk.error
            yield chunk.outcomes[0]
        finally:
            self._stop_reading()

    def _stop_reading(self) -> None:
        """End the workers that are reading: nobody needs the outcomes."""
        self._waiting.clear()
        for worker, part in list(self._workers.items()):
            if part is not None:
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
                return  # its outcomes go out before the next part is read
            part = self._waiting.popleft()
            try:
                idle.send(part.request)
            except (BlockingIOError, ConnectionError):
                self._remove(idle)  # it died or was stopped while it had nothing to do
                self._waiting.appendleft(part)
            else:
                self._workers[idle] = part

    def _listen(self, max_wait_s: float = LISTEN_S) -> bool:
        """Wait for a message; take what the workers say, and lose those that are silent for too long.

        Returns:
            Whether a worker said something.
        """
        busy = {
            worker: part for worker, part in self._workers.items() if part is not None or not worker.is_ready
        }
        limits_s = {worker: part.chunk.limit_s if part else START_LIMIT_S for worker, part in busy.items()}
        wait_s = max(
            0.0,
            min(max_wait_s, LISTEN_S, *(limit_s - worker.silent_s for worker, limit_s in limits_s.items())),
        )
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
        return bool(heard)

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
                # Others that start now meet the same. A watcher goes on later, with new workers.
                for starting in [other for other in self._workers if not other.is_ready]:
                    self._remove(starting)
                raise message
            worker.is_ready, self._failed_starts = True, 0
            return
        if isinstance(message, Progress):
            assert part.paged is not None
            part.paged.add(message.outcomes)
            return
        self._workers[worker] = None
        if isinstance(message, Exception):
            part.chunk.error = message
        elif part.paged is None:
            assert isinstance(message, list)
            self._waiting.extendleft(part.add(message))
        else:
            part.paged.end(message)
            if not part.finish():
                self._waiting.appendleft(part)

    def _lose(self, worker: Worker, reason: Reason) -> None:
        """Let go of a worker that died or hangs, and find the scan that is to blame."""
        part = self._workers[worker]
        self._remove(worker)
        self._losses += 1
        if part is None:
            self._failed_starts += 1
            if self._failed_starts >= MAX_FAILED_STARTS:
                advice = "" if worker.forks else f"; in a script, {GUARD_ADVICE}"
                self._do_with_fewer(f"it ended before it could begin{advice}")
        elif part.paged is not None:
            part.paged.lose(reason)
            if not part.finish():
                self._waiting.appendleft(part)
        else:  # each scan gets a worker for itself
            self._waiting.extendleft(part.split(reason))

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
        if part.paged is None and part.suspicion is not None:
            (part,) = part.split(part.suspicion)
        try:
            if part.paged is None:
                self._waiting.extendleft(part.add(read_all(self._reader, part.refs)))
                return
            while part.suspicion is not None and not part.paged.is_done:
                part.paged.lose(part.suspicion)
            read_by_pages(self._reader, part.paged)
            part.finish()
        except RunError as error:
            part.chunk.error = error

    def _remove(self, worker: Worker) -> None:
        del self._workers[worker]
        worker.kill()
