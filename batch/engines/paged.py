"""A scan of several pages on its way through workers: which page comes next, and which one is to blame."""

from __future__ import annotations

from typing import NamedTuple

from batch.records import Outcome, Reason, ScanRef, Status

MAX_LOSSES = 20  # pages of a scan that each cost a worker, before digitbox gives up its other pages


class PageRequest(NamedTuple):
    """A scan whose pages a worker shall send as it reads them.

    Attributes:
        ref: The scan.
        first: The page to begin with, from 1.
        one_by_one: Send each page before reading the next, to see which one is to blame.
    """

    ref: ScanRef
    first: int = 1
    one_by_one: bool = False


class Loss(NamedTuple):
    """The end of the pages of a scan before the last one, by a bug or a lack of memory."""

    reason: Reason


class PagedScan:
    """The outcomes of a scan so far, and what to ask for next.

    Attributes:
        request: What to ask a worker for.
        outcomes: The outcomes of all pages read so far, in order.
        is_done: True if these are all.

    Args:
        ref: The scan.
    """

    def __init__(self, ref: ScanRef) -> None:
        self.request = PageRequest(ref)
        self.outcomes: list[Outcome] = []
        self.is_done = False
        self._count, self._sha256 = 0, ""  # of pages, and of the content; as long as nobody has said
        self._losses = 0

    def add(self, outcomes: list[Outcome]) -> None:
        """Take the next outcomes that a reader yields; see `workers.ScanReader.pages`."""
        for outcome in outcomes:
            if self.is_done:
                return
            if self._count and outcome.sha256 != self._sha256:
                changed = Outcome(outcome.ref, Status.FAILED, Reason.CHANGED, outcome.sha256)
                self.outcomes, self.is_done = [changed], True
            elif outcome.is_announcement:
                self._count, self._sha256 = outcome.pages, outcome.sha256
                self.request = self.request._replace(ref=outcome.ref)
            elif not outcome.page:  # the whole file
                self.outcomes, self.is_done = [outcome], True
            else:
                self._take(outcome)

    def end(self, answer: list[Outcome] | Loss) -> None:
        """Note that the reader has ended. Without a `Loss`, it is to blame for pages that are missing."""
        if isinstance(answer, Loss):
            self.lose(answer.reason)
        elif not self.is_done:
            self.lose(Reason.WORKER_CRASHED)

    def lose(self, reason: Reason) -> None:
        """Note that the reader failed at the next page, or before the first."""
        ref, first, one_by_one = self.request
        if not self._count:
            self.outcomes, self.is_done = [Outcome(ref, Status.FAILED, reason)], True
            return
        if not one_by_one:  # it read more pages than it has sent
            self.request = PageRequest(ref, first, one_by_one=True)
            return
        self._losses += 1
        last = first if self._losses < MAX_LOSSES else self._count
        for page in range(first, last + 1):
            self._take(Outcome(ref, Status.FAILED, reason, self._sha256, page=page, pages=self._count))

    def _take(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.request = self.request._replace(first=outcome.page + 1)
        self.is_done = outcome.is_last_page
