"""The time that a file must not change before digitbox reads it, and the test of a run for it."""

from __future__ import annotations

import time
from collections.abc import Callable

from batch.records import Outcome, Reason, ScanRef
from batch.storage.open_files import has_writer

FAILED_PATIENCE = 5  # times longer that an empty or unreadable file must not change: it may be on its way
UNKNOWN_PATIENCE = 30  # times longer where the system cannot tell whether somebody writes to the file
MAX_AHEAD_S = 86_400.0  # that another machine's clock may be ahead; a later time is no reason to wait


class SettleCheck:
    """The test of a run for files that somebody may still be writing to.

    A run looks at each file only once, so it compares the time of its last change with the clock. A watcher
    has `batch.watcher.stability`, which needs no clock.

    Attributes:
        longest_s: The longest time for which one of the files was to stay unchanged.

    Args:
        settle_s: Seconds for which a file must not have changed.
        now: A function that returns the time of day, seconds since 1970.
    """

    def __init__(self, settle_s: float, now: Callable[[], float] = time.time) -> None:
        self.longest_s = settle_s
        self._settle_s, self._now = settle_s, now

    def is_whole(self, ref: ScanRef) -> bool:
        """Return whether nobody writes to a scan, and it has not changed for long enough.

        Args:
            ref: The scan, as it is now. One that is gone counts as whole: its row says so.
        """
        if ref.size_bytes < 0:
            return True
        writer = has_writer(ref.path)
        return not writer and not self._is_young(ref, UNKNOWN_PATIENCE if writer is None else 1)

    def must_wait(self, outcome: Outcome) -> bool:
        """Return whether a scan gets no row yet, because it may still be on its way."""
        if not outcome.may_be_unfinished or outcome.reason in (Reason.VANISHED, Reason.NOT_A_FILE):
            return False
        return outcome.reason is Reason.CHANGED or self._is_young(outcome.ref, FAILED_PATIENCE)

    def _is_young(self, ref: ScanRef, patience: int) -> bool:
        patience_s = patience * self._settle_s
        is_young = -MAX_AHEAD_S < self._now() - ref.ctime_ns / 1e9 < patience_s
        if is_young:
            self.longest_s = max(self.longest_s, patience_s)
        return is_young
