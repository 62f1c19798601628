"""The scans that a run reads: all inputs, or those without a row; with a limit, the oldest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from batch.inputs.find import Inputs, oldest_first
from batch.outbox.run_stats import RunStats
from batch.records import ScanRef
from batch.storage import dispatch


class Selection:
    """The scans to read, in order; the statistics count the files that it finds.

    With a limit it first finds all inputs, to read the oldest and to count the others as left. It sorts them
    by modification time in temporary files, so that millions need no memory. Hours may pass between finding
    and reading, so the reader identifies each scan again.

    Args:
        inputs: The inputs of the run.
        stats: Statistics of the run; their `seen`, `settled` and `skipped` go up.
        unsettled: Function that returns those of a list of scans that have no row; None to read all.
        is_whole: Function that returns whether nobody still writes to a scan; None to read all. The others
            count as left, and as `unfinished` in the statistics.
        max_files: Number of scans to read at most; None for all.
        max_seconds: Seconds since the start of the run after which no other batch begins; None for no limit.
        border: Scans between two looks at the time. So many are read in any case, so each run makes progress.
    """

    def __init__(
        self,
        inputs: Inputs,
        stats: RunStats,
        unsettled: Callable[[list[ScanRef]], list[ScanRef]] | None = None,
        *,
        is_whole: Callable[[ScanRef], bool] | None = None,
        max_files: int | None = None,
        max_seconds: float | None = None,
        border: int = 1,
    ) -> None:
        self._inputs, self._stats, self._unsettled, self._border = inputs, stats, unsettled, border
        self._is_whole, self._max_files = is_whole, max_files
        self._max_seconds = math.inf if max_seconds is None else max_seconds
        self._is_limited = max_files is not None or max_seconds is not None

    def __iter__(self) -> Iterator[ScanRef]:
        if not self._is_limited:
            yield from self._whole(self._find())
            return
        oldest = self._whole(oldest_first(self._find()))
        for number, ref in enumerate(itertools.islice(oldest, self._max_files)):
            is_border = number > 0 and number % self._border == 0
            if is_border and self._stats.seconds >= self._max_seconds:
                return
            yield ref

    def _find(self) -> Iterator[ScanRef]:
        if not self._is_limited and self._unsettled is None:
            yield from map(self._count, self._inputs)  # the reader identifies each when it opens it
        else:
            for chunk in dispatch.identify_all(self._inputs):
                new = chunk if self._unsettled is None else self._unsettled(chunk)
                self._stats.settled += len(chunk) - len(new)
                yield from map(self._count, new)
        self._stats.skipped = self._inputs.skipped

    def _whole(self, refs: Iterator[ScanRef]) -> Iterator[ScanRef]:
        """Leave out scans that somebody still writes to. This is the last look before digitbox reads them."""
        if self._is_whole is None:
            yield from refs
            return
        for ref in map(dispatch.identify, refs):
            if self._is_whole(ref):
                yield ref
            else:
                self._stats.unfinished += 1

    def _count(self, ref: ScanRef) -> ScanRef:
        self._stats.seen += 1
        self._stats.skipped = self._inputs.skipped
        return ref
