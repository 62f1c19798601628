"""Where the work runs: in this process, or in worker processes; `on_ray` has the machines of a cluster."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from batch.errors import RunError
from batch.records import Outcome, Reason, ScanRef, Status

MIN_SCANS_PER_WORKER = 16  # at least: fewer are read in the time that a worker takes to start
CHUNKS_PER_WORKER = 4  # for each worker, of what is less than a piece

ScanReader = Callable[[Sequence[ScanRef]], list[Outcome]]
"""Picklable; returns one outcome for each scan, in the same order."""


def usable_cores() -> int:
    """Number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Engine:
    """Reads scans in this process and in workers; to be used with `with`, which ends the workers.

    Args:
        reader: reads scans; built once a process.
        workers: processes; with one, all work is done in this process.
        apart: never in this process, which outlives whatever a scan does to the one that reads it.
        forks: whether this process may be forked; not one that has threads which Python does not know of.
    """

    def __init__(self, reader: ScanReader, workers: int, *, apart: bool = False, forks: bool = True) -> None:
        self._reader, self._workers, self._apart, self._forks = reader, workers, apart, forks
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            if kind is not None:  # nobody waits for what they are reading
                _kill_workers()
            self._pool.shutdown(cancel_futures=True)

    def start(self) -> None:
        """Starts the workers now, not when there is work for them: before this process has threads.

        One of them loads the model at once: what is wrong with it shows now, and the first scan is read fast.
        """
        if self._pool is None and (self._apart or self._workers > 1):
            self._pool = self._new_pool(self._workers)
            self._pool.submit(_read, []).result()

    def map(self, refs: Iterable[ScanRef], size: int) -> Iterator[list[Outcome]]:
        """Reads scans, `size` at a time; yields their outcomes in the order of the scans.

        Args:
            refs: are taken from no faster than they are read.
            size: scans a piece. When one piece is all, there are no more workers than are worth their start,
                and each has parts of it.
        """
        pieces = _chunks(iter(refs), size)
        first = list(itertools.islice(pieces, 2))
        workers = self._workers
        if len(first) < 2 and not self._apart:
            count = sum(map(len, first))
            workers = min(workers, count // MIN_SCANS_PER_WORKER)
            if workers > 1:
                first = list(_chunks(iter(first[0]), -(-count // (CHUNKS_PER_WORKER * workers))))
        every = itertools.chain(first, pieces)
        if workers > 1 or self._apart:
            yield from self._map_in_workers(every, workers)
        else:
            yield from (_read_all(self._reader, piece) for piece in every)

    def _map_in_workers(self, pieces: Iterator[list[ScanRef]], workers: int) -> Iterator[list[Outcome]]:
        waiting: deque[tuple[list[ScanRef], Future[list[Outcome]]]] = deque()
        while True:
            pool = self._pool = self._pool or self._new_pool(workers)
            # A few pieces ahead keep the workers busy; more would only take memory.
            for piece in itertools.islice(pieces, 2 * workers + 2 - len(waiting)):
                waiting.append((piece, _submit(pool, piece)))
            if not waiting:
                return
            piece, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                _kill_workers()
                pool.shutdown()
                self._pool = None
                lost = [(piece, future), *waiting]
                waiting.clear()
                for piece, future in lost:
                    done = future.done() and not future.cancelled() and future.exception() is None
                    yield future.result() if done else self._read_alone(piece)

    def _read_alone(self, piece: list[ScanRef]) -> list[Outcome]:
        """Reads scans one by one, since among them may be one that kills its worker."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(piece):
            with self._new_pool(1) as pool:
                for ref in piece[len(outcomes) :]:
                    try:
                        outcomes += _submit(pool, [ref]).result()
                    except BrokenProcessPool:
                        outcomes.append(Outcome(ref, Status.FAILED, Reason.WORKER_CRASHED))
                        break
        return outcomes

    def _new_pool(self, workers: int) -> ProcessPoolExecutor:
        # Forking takes a tenth of the time of starting Python anew, and is safe as long as there are no other
        # threads. On macOS no fork is safe.
        forks = self._forks and sys.platform == "linux" and threading.active_count() == 1
        context = multiprocessing.get_context("fork" if forks else "spawn")
        return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(self._reader,))


def _chunks(refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
    while piece := list(itertools.islice(refs, size)):
        yield piece


def _submit(pool: ProcessPoolExecutor, piece: list[ScanRef]) -> Future[list[Outcome]]:
    try:
        return pool.submit(_read, piece)
    except BrokenProcessPool as error:
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed


def _read_all(reader: ScanReader, piece: list[ScanRef]) -> list[Outcome]:
    """Reads scans; one that raises what is no `RunError` has met a bug, and must not stop the others."""
    try:
        return reader(piece)
    except RunError:
        raise
    except Exception:
        reader([])  # raises again where no scan is to blame
        if len(piece) == 1:
            traceback.print_exc()
            return [Outcome(piece[0], Status.FAILED, Reason.WORKER_CRASHED)]
    middle = len(piece) // 2
    return _read_all(reader, piece[:middle]) + _read_all(reader, piece[middle:])


def _kill_workers() -> None:
    """Ends all workers now, which no `shutdown` does: one that was killed may have held what the others need.

    They change nothing but their own memory, and this process has no other children.
    """
    for worker in multiprocessing.active_children():
        worker.kill()


_reader: ScanReader | None = None


def _start_worker(reader: ScanReader) -> None:
    global _reader
    _reader = reader
    # Ctrl-C reaches every process, and a service manager's SIGTERM, too: the parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """Ends this worker when its parent was killed: nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read(piece: list[ScanRef]) -> list[Outcome]:
    assert _reader is not None
    return _read_all(_reader, piece)
