"""Where the work runs: in this process, or in worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

from batch.records import Outcome, Reason, ScanRef, Status

Reader = Callable[[Sequence[ScanRef]], list[Outcome]]
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
    """

    def __init__(self, reader: Reader, workers: int) -> None:
        self._reader, self._workers = reader, workers
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            if kind is not None:  # nobody waits for what they are reading
                _kill_workers()
            self._pool.shutdown(cancel_futures=True)

    def start(self) -> None:
        """Starts the workers now, not when there is work for them: before this process has threads."""
        if self._workers > 1 and self._pool is None:
            self._pool = _new_pool(self._reader, self._workers)
            self._pool.submit(usable_cores).result()

    def map(self, refs: Iterable[ScanRef], size: int) -> Iterator[list[Outcome]]:
        """Reads scans, `size` at a time; yields their outcomes in the order of the scans.

        Args:
            refs: are taken from no faster than they are read.
            size: scans a piece; when one piece is all, it is read in this process.
        """
        pieces = _pieces(iter(refs), size)
        first = list(itertools.islice(pieces, 2))
        every = itertools.chain(first, pieces)
        if self._workers == 1 or len(first) < 2:
            yield from map(self._reader, every)
        else:
            yield from self._map_in_workers(every)

    def _map_in_workers(self, pieces: Iterator[list[ScanRef]]) -> Iterator[list[Outcome]]:
        waiting: deque[tuple[list[ScanRef], Future[list[Outcome]]]] = deque()
        while True:
            pool = self._pool = self._pool or _new_pool(self._reader, self._workers)
            # A few pieces ahead keep the workers busy; more would only take memory.
            for piece in itertools.islice(pieces, 2 * self._workers + 2 - len(waiting)):
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
                    yield future.result() if done else _read_alone(self._reader, piece)


def _pieces(refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
    while piece := list(itertools.islice(refs, size)):
        yield piece


def _submit(pool: ProcessPoolExecutor, piece: list[ScanRef]) -> Future[list[Outcome]]:
    try:
        return pool.submit(_read, piece)
    except BrokenProcessPool as error:
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed


def _read_alone(reader: Reader, piece: list[ScanRef]) -> list[Outcome]:
    """Reads scans among which may be one that kills its worker."""
    with _new_pool(reader, 1) as pool:
        try:
            return _submit(pool, piece).result()
        except BrokenProcessPool:
            pass
    if len(piece) == 1:
        return [Outcome(piece[0], Status.FAILED, Reason.WORKER_CRASHED)]
    middle = len(piece) // 2
    return _read_alone(reader, piece[:middle]) + _read_alone(reader, piece[middle:])


def _new_pool(reader: Reader, workers: int) -> ProcessPoolExecutor:
    # Forking takes a tenth of the time of starting Python anew, and is safe as long as there are no other
    # threads. On macOS no fork is safe.
    method = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
    context = multiprocessing.get_context(method)
    return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(reader,))


def _kill_workers() -> None:
    """Ends all workers now, which no `shutdown` does: one that was killed may have held what the others need.

    They change nothing but their own memory, and this process has no other children.
    """
    for worker in multiprocessing.active_children():
        worker.kill()


_reader: Reader | None = None


def _start_worker(reader: Reader) -> None:
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
    return _reader(piece)
