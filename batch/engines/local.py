"""The engine of one machine: it reads scans in this process and in worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import Self

from batch.engines.pool import Pool, can_fork
from batch.engines.workers import ScanReader, load
from batch.records import Outcome, ScanRef

MIN_SCANS_PER_WORKER = 16  # one process reads fewer in the time that a worker takes to start
LONG_STEP_S = 0.1  # in which a caller of `read_long` can do nothing else
CHUNKS_PER_WORKER = 4  # of a run with a single chunk: workers that finish early take another part


class Engine:
    """Reader of scans in workers; use it with `with`, which ends the workers.

    Where this process cannot fork, new workers cost more than a few scans. It reads those itself, without a
    time limit.

    Args:
        reader: Reads scans. Each process builds its own model from it, once.
        workers: Number of worker processes; 0 to read all scans in this process, without a time limit.
        scan_limit_s: Seconds that a worker may take for an image; None for no limit.
        apart: Read every scan in a worker, however few there are.
        forks: Allow this process to fork. It must not if it has threads that Python does not know of.
    """

    def __init__(
        self,
        reader: ScanReader,
        workers: int,
        *,
        scan_limit_s: float | None = None,
        apart: bool = False,
        forks: bool = True,
    ) -> None:
        self._reader, self._workers, self._apart, self._forks = reader, workers, apart, forks
        self._scan_limit_s = scan_limit_s
        self._pool = Pool(reader, scan_limit_s, forks=forks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def start(self) -> None:
        """Start the workers now, before this process has threads.

        One of them loads the model at once. A broken model shows here, and the first scan is read fast.
        """
        if self._workers:
            self._pool.start(self._workers)
        else:
            load(self._reader)

    def map(self, refs: Iterable[ScanRef], size: int, *, reads_long: bool = True) -> Iterator[list[Outcome]]:
        """Read scans in chunks; yield their outcomes in the order of the scans.

        A scan of several pages has an outcome for each page, one after the other.

        Args:
            refs: The scans. The engine takes them no faster than it reads them.
            size: Number of scans in a chunk. If one chunk holds all scans, the engine starts only as many
                workers as are worth their start, and gives each of them parts of it.
            reads_long: False to leave a scan of very many pages for `read_long`: its only outcome is
                `several_pages`.

        Yields:
            The outcomes of one chunk, or of a part of it if one chunk holds all scans; at times an empty
            list, as a sign of life.
        """
        chunks = _chunks(iter(refs), size)
        first = list(itertools.islice(chunks, 2))
        workers = self._workers
        if len(first) < 2:
            count = sum(map(len, first))
            worth = count // MIN_SCANS_PER_WORKER
            least = 1 if self._apart or (self._forks and can_fork()) else 0
            workers = min(workers, max(worth, least))
            if workers > 1:
                first = list(_chunks(iter(first[0]), -(-count // (CHUNKS_PER_WORKER * workers))))
        all_chunks = itertools.chain(first, chunks)
        yield from self._pool.read(all_chunks, workers, reads_long=reads_long)

    def read_long(self, ref: ScanRef) -> Generator[list[Outcome], None, None]:
        """Read a scan of very many pages in a worker of its own, while the caller does other things.

        Args:
            ref: The scan.

        Yields:
            Nothing in a list several times a second, and at the end the outcomes of all pages.
        """
        with closing(Pool(self._reader, self._scan_limit_s, forks=self._forks)) as pool:
            yield from pool.read_long(ref, min(1, self._workers), LONG_STEP_S)


def _chunks(refs: Iterator[ScanRef], size: int) -> Iterator[list[ScanRef]]:
    while chunk := list(itertools.islice(refs, size)):
        yield chunk
