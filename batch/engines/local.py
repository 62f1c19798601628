"""The engine of one machine: it reads scans in this process and in worker processes."""

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

MIN_SCANS_PER_WORKER = 16  # one process reads fewer in the time that a worker takes to start
CHUNKS_PER_WORKER = 4  # of a run with a single chunk: workers that finish early take another part

ScanReader = Callable[[Sequence[ScanRef]], list[Outcome]]
"""A picklable function that returns one outcome for each scan, in the same order."""


def usable_cores() -> int:
    """Return the number of cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Engine:
    """Reader of scans in this process and in workers; use it with `with`, which ends the workers.

    Args:
        reader: Reads scans. Each process builds its own model from it, once.
        workers: Number of processes, at least 1. With 1, this process does all the work.
        apart: Read every scan in a worker, so that no scan can end this process.
        forks: Allow this process to fork. It must not if it has threads that Python does not know of.
    """

    def __init__(self, reader: ScanReader, workers: int, *, apart: bool = False, forks: bool = True) -> None:
        self._reader, self._workers, self._apart, self._forks = reader, workers, apart, forks
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._pool is not None:
            if kind is not None:  # nobody needs the outcomes that the workers are producing
                _kill_workers()
            self._pool.shutdown(cancel_futures=True)

    def start(self) -> None:
        """Start the workers now, before this process has threads.

        One of them loads the model at once. A broken model shows here, and the first scan is read fast.
        """
        if self._pool is None and (self._apart or self._workers > 1):
            self._pool = self._new_pool(self._workers)
            self._pool.submit(_read, []).result()

    def map(self, refs: Iterable[ScanRef], size: int) -> Iterator[list[Outcome]]:
        """Read scans in chunks; yield their outcomes in the order of the scans.

        Args:
            refs: The scans. The engine takes them no faster than it reads them.
            size: Number of scans in a chunk. If one chunk holds all scans, the engine starts only as many
                workers as are worth their start, and gives each of them parts of it.

        Yields:
            The outcomes of one chunk.
        """
        chunks = _chunks(iter(refs), size)
        first = list(itertools.islice(chunks, 2))
        workers = self._workers
        if len(first) < 2 and not self._apart:
            count = sum(map(len, first))
            workers = min(workers, count // MIN_SCANS_PER_WORKER)
            if workers > 1:
                first = list(_chunks(iter(first[0]), -(-count // (CHUNKS_PER_WORKER * workers))))
        all_chunks = itertools.chain(first, chunks)
        if workers > 1 or self._apart:
            yield from self._map_in_workers(all_chunks, workers)
        else:
            yield from (_read_all(self._reader, chunk) for chunk in all_chunks)

    def _map_in_workers(self, chunks: Iterator[list[ScanRef]], workers: int) -> Iterator[list[Outcome]]:
        waiting: deque[tuple[list[ScanRef], Future[list[Outcome]]]] = deque()
        while True:
            pool = self._pool = self._pool or self._new_pool(workers)
            # A few chunks ahead keep the workers busy. More would only take memory.
            for chunk in itertools.islice(chunks, 2 * workers + 2 - len(waiting)):
                waiting.append((chunk, _submit(pool, chunk)))
            if not waiting:
                return
            chunk, future = waiting.popleft()
            try:
                yield future.result()
            except BrokenProcessPool:
                _kill_workers()
                pool.shutdown()
                self._pool = None
                interrupted = [(chunk, future), *waiting]
                waiting.clear()
                for chunk, future in interrupted:
                    is_read = future.done() and not future.cancelled() and future.exception() is None
                    yield future.result() if is_read else self._read_alone(chunk)

    def _read_alone(self, chunk: list[ScanRef]) -> list[Outcome]:
        """Read scans one by one, because one of them may kill its worker."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(chunk):
            with self._new_pool(1) as pool:
                for ref in chunk[len(outcomes) :]:
                    try:
                        outcomes += _submit(pool, [ref]).result()
                    except BrokenProcessPool:
                        outcomes.append(Outcome(ref, Status.FAILED, Reason.WORKER_CRASHED))
                        break
        return outcomes

    def _new_pool(self, workers: int) -> ProcessPoolExecutor:
        # A fork takes a tenth of the time of a new Python. It is safe only in a process without other
        # threads, and never on macOS.
        forks = self._forks and sys.platform == "linux" and threading.active_count() == 1
        context = multiprocessing.get_context("fork" if forks else "spawn")
        return ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(self._reader,))


def _chunks(refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
    while chunk := list(itertools.islice(refs, size)):
        yield chunk


def _submit(pool: ProcessPoolExecutor, chunk: list[ScanRef]) -> Future[list[Outcome]]:
    try:
        return pool.submit(_read, chunk)
    except BrokenProcessPool as error:
        failed: Future[list[Outcome]] = Future()
        failed.set_exception(error)
        return failed


def _read_all(reader: ScanReader, chunk: list[ScanRef]) -> list[Outcome]:
    """Read scans; give a scan that meets a bug a failed outcome, and read the others all the same.

    Raises:
        RunError: The run cannot go on.
        Exception: A bug that no scan is to blame for.
    """
    try:
        return reader(chunk)
    except RunError:
        raise
    except Exception:
        reader([])  # raises again if no scan is to blame
        if len(chunk) == 1:
            traceback.print_exc()
            return [Outcome(chunk[0], Status.FAILED, Reason.WORKER_CRASHED)]
    middle = len(chunk) // 2
    return _read_all(reader, chunk[:middle]) + _read_all(reader, chunk[middle:])


def _kill_workers() -> None:
    """Kill all workers, which `shutdown` does not: a dead worker may hold a lock that the others wait for.

    Workers change nothing but their own memory, and this process has no other children.
    """
    for worker in multiprocessing.active_children():
        worker.kill()


_reader: ScanReader | None = None  # of this worker


def _start_worker(reader: ScanReader) -> None:
    global _reader
    _reader = reader
    # Ctrl-C and a service manager's SIGTERM reach every process. The parent decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this worker when somebody kills its parent: nobody else would end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _read(chunk: list[ScanRef]) -> list[Outcome]:
    assert _reader is not None
    return _read_all(_reader, chunk)
