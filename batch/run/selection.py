"""Which of the inputs a run reads: all, or those without a row; when not all can be, the oldest first."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator

from batch.inputs.find import Inputs, oldest_first
from batch.outbox.run_stats import RunStats
from batch.records import ScanRef
from batch.storage import dispatch


class Selection:
    """The scans that are to be read; the account has how many were met.

    With a limit, all inputs are looked at first, so that the oldest are read and the others are counted as
    left. The order is that of their modification times, sorted by way of temporary files: very many take no
    memory. Each is looked at anew when it is read, for hours may have gone by.

    Args:
        inputs: what was found.
        account: of the run.
        unsettled: those of some scans that have no row; None when all are to be read.
        max_files: most scans to read; None for all.
        max_seconds: of the run, after which no other is begun; None for no limit.
        border: scans after which the time is looked at; so many are read in any case: each run gets on.
    """

    def __init__(
        self,
        inputs: Inputs,
        account: RunStats,
        unsettled: Callable[[list[ScanRef]], list[ScanRef]] | None = None,
        *,
        max_files: int | None = None,
        max_seconds: float | None = None,
        border: int = 1,
    ) -> None:
        self._inputs, self._account, self._unsettled, self._border = inputs, account, unsettled, border
        self._max_files = max_files
        self._max_seconds = math.inf if max_seconds is None else max_seconds
        self._is_limited = max_files is not None or max_seconds is not None

    def __iter__(self) -> Iterator[ScanRef]:
        if not self._is_limited:
            yield from self._found()
            return
        oldest = oldest_first(self._found())
        for number, ref in enumerate(itertools.islice(oldest, self._max_files)):
            is_border = number > 0 and number % self._border == 0
            if is_border and self._account.seconds >= self._max_seconds:
                return
            yield ref

    def _found(self) -> Iterator[ScanRef]:
        if not self._is_limited and self._unsettled is None:
            yield from map(self._counted, self._inputs)  # each is looked at when it is opened
        else:
            for some in dispatch.identify_all(self._inputs):
                new = some if self._unsettled is None else self._unsettled(some)
                self._account.settled += len(some) - len(new)
                yield from map(self._counted, new)
        self._account.skipped = self._inputs.skipped

    def _counted(self, ref: ScanRef) -> ScanRef:
        self._account.seen += 1
        self._account.skipped = self._inputs.skipped
        return ref
