"""What is finished in the ledger: to read it again, to forget it, or to take it together."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from batch.outbox.batches import (
    BATCH_COLUMNS,
    IS_FINISHED,
    IS_PUBLISHED,
    MEMBER_COLUMNS,
    Batch,
    PageResult,
    outcome_of,
    pages_of,
)
from batch.outbox.ledger import Ledger
from batch.records import After, Outcome, Status
from batch.results import names

TURN_S = 1.0  # of work on settled scans, until others have their turn
WINDOW_ROWS = 50_000  # members in which digitbox looks for superseded ones in a turn
PAGE_ROWS = 10_000  # rows that one query reads; a ledger may have millions
MAX_DIGESTS = 10_000  # that one query looks for; it reads all members, and SQLite takes 32,766 values
MIN_FREE_PAGES = 1000  # pages of 4 KiB; with fewer to gain, writing the file anew is not worth its time

_MAX_ROWID = 2**63 - 1
_MEMBER_WIDTH = MEMBER_COLUMNS.count(",") + 1
_HAS_LATER = (
    "EXISTS (SELECT 1 FROM members AS later WHERE later.path = members.path "
    "AND later.size_bytes = members.size_bytes AND later.mtime_ns = members.mtime_ns "
    "AND (later.sha256 = members.sha256 OR later.sha256 = '' OR members.sha256 = '') "
    "AND later.rowid > members.rowid)"
)
# Members of batches from before a time; the names of their files have it.
_IS_OLD = (
    f"batch IN (SELECT batch FROM batches WHERE {IS_FINISHED} "  # noqa: S608
    f"AND substr(file, {names.STAMP_START}) < ?)"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """A scan that has its row, and the batch that it was published with.

    Attributes:
        outcome: The outcome, without the digit.
        batch: The batch, whose rows are published and whose scans are where they belong.
        is_last: Whether no later row is of a scan like this one.
        pages: If the scan has several pages, those that are not ok, and the first that is.
        number: The place of its row in the ledger; later rows have greater ones.
    """

    outcome: Outcome
    batch: Batch
    is_last: bool = True
    pages: tuple[PageResult, ...] = ()
    number: int = 0


def in_turns(scans: Iterator[Settled]) -> Iterator[Iterator[Settled]]:
    """Yield settled scans in portions, between which another process may have its turn.

    A portion ends after `TURN_S` of the caller's work. The caller takes all of it before the next one.
    """

    def portion(first: Settled) -> Iterator[Settled]:
        ends = time.monotonic() + TURN_S
        yield first
        while time.monotonic() < ends and (scan := next(scans, None)) is not None:
            yield scan

    while (first := next(scans, None)) is not None:
        yield portion(first)


def settled_scans(ledger: Ledger, *, with_moved: bool = False) -> Iterator[Settled]:
    """Yield the last row of each scan in a finished batch, the oldest first.

    Scans are alike if path, size, modification time and content are. The caller may forget scans meanwhile.

    Args:
        ledger: The ledger of the outbox.
        with_moved: Yield each scan that digitbox moved away, too, though a later one is like it.
    """
    last = 0
    is_hidden = f"after = '{After.LEAVE}' AND {_HAS_LATER}" if with_moved else _HAS_LATER
    last_batch, pages = "", {}  # most scans have the batch of the scan before
    while page := ledger.execute(
        f"SELECT members.rowid, {_HAS_LATER}, {MEMBER_COLUMNS}, {BATCH_COLUMNS} "  # noqa: S608
        "FROM members JOIN batches USING (batch) "
        f"WHERE members.rowid > ? AND {IS_FINISHED} AND NOT ({is_hidden}) "
        "ORDER BY members.rowid LIMIT ?",
        (last, PAGE_ROWS),
    ):
        for number, has_later, *row in page:
            outcome, batch = outcome_of(row[:_MEMBER_WIDTH]), Batch.from_row(row[_MEMBER_WIDTH:])
            if batch.batch_id != last_batch:
                last_batch, pages = batch.batch_id, pages_of(ledger, batch.batch_id)
            of_scan = tuple(pages.get(outcome.ref.path, ()))
            yield Settled(outcome, batch, is_last=not has_later, pages=of_scan, number=number)
        last = page[-1][0]


def last_members(ledger: Ledger, digests: Collection[str]) -> Iterator[tuple[Outcome, Sequence[PageResult]]]:
    """Yield the scans with this content that have no later row, without their digits, and their pages."""
    wanted = sorted(digests)
    last_batch, pages = "", {}
    for start in range(0, len(wanted), MAX_DIGESTS):
        chunk = wanted[start : start + MAX_DIGESTS]
        marks = ", ".join("?" * len(chunk))
        rows = ledger.execute(
            f"SELECT batch, {MEMBER_COLUMNS} FROM members WHERE sha256 IN ({marks}) AND NOT {_HAS_LATER}",  # noqa: S608
            chunk,
        )
        for batch_id, *row in rows:
            if batch_id != last_batch:
                last_batch, pages = batch_id, pages_of(ledger, batch_id)
            outcome = outcome_of(row)
            yield outcome, pages.get(outcome.ref.path, ())


def count_by_status(ledger: Ledger) -> dict[Status, int]:
    """Return the number of scans by status; the last row of each scan counts."""
    rows = ledger.execute(f"SELECT status, COUNT(*) FROM members WHERE NOT {_HAS_LATER} GROUP BY status")  # noqa: S608
    return {Status(status): count for status, count in rows}


def published_batches(ledger: Ledger) -> Iterator[Batch]:
    """Yield the batches whose rows are published, the oldest first."""
    last = 0
    while page := ledger.execute(
        f"SELECT rowid, {BATCH_COLUMNS} FROM batches WHERE rowid > ? AND {IS_PUBLISHED} "  # noqa: S608
        "ORDER BY rowid LIMIT ?",
        (last, PAGE_ROWS),
    ):
        for _, *row in page:
            yield Batch.from_row(row)
        last = page[-1][0]


def forget_scans(ledger: Ledger, scans: Iterable[Settled], *, with_later: bool = True) -> None:
    """Delete the rows of these scans in finished batches: the scans are new then.

    Args:
        ledger: The ledger of the outbox.
        scans: The scans.
        with_later: Delete also rows that came after these, of the same scans or others like them.
    """
    with ledger.transaction():
        ledger.execute_many(
            "DELETE FROM members WHERE path = ? AND size_bytes = ? AND mtime_ns = ? AND sha256 IN (?, '') "  # noqa: S608
            f"AND batch IN (SELECT batch FROM batches WHERE {IS_FINISHED}) AND rowid <= ?",
            ((*_facts(scan.outcome), _MAX_ROWID if with_later else scan.number) for scan in scans),
        )


def _facts(outcome: Outcome) -> tuple[bytes, int, int, str]:
    ref = outcome.ref
    return os.fsencode(ref.path), ref.size_bytes, ref.mtime_ns, outcome.sha256


def superseded_in_turns(ledger: Ledger, before: str, *, forget: bool) -> Iterator[int]:
    """Find rows from before a stamp whose scans have a later row; yield how many, turn by turn.

    Args:
        ledger: The ledger of the outbox.
        before: The stamp.
        forget: Delete them.
    """
    chosen = f"members WHERE rowid BETWEEN ? AND ? AND {_IS_OLD} AND {_HAS_LATER}"
    ((end,),) = ledger.execute("SELECT IFNULL(max(rowid), 0) FROM members")
    for first in range(1, end + 1, WINDOW_ROWS):
        values = (first, first + WINDOW_ROWS - 1, before)
        if forget:
            yield ledger.execute_many(f"DELETE FROM {chosen}", [values])  # noqa: S608
        else:
            yield ledger.execute(f"SELECT count(*) FROM {chosen}", values)[0][0]  # noqa: S608


def forget_batches(ledger: Ledger, batches: Sequence[Batch]) -> int:
    """Delete those of some batches that have no members any more; return how many."""
    with ledger.transaction():
        ledger.execute_many(
            "DELETE FROM pages WHERE batch = ? "
            "AND NOT EXISTS (SELECT 1 FROM members WHERE members.batch = pages.batch)",
            ((batch.batch_id,) for batch in batches),
        )
        return ledger.execute_many(
            f"DELETE FROM batches WHERE batch = ? AND {IS_FINISHED} "  # noqa: S608
            "AND NOT EXISTS (SELECT 1 FROM members WHERE members.batch = batches.batch)",
            ((batch.batch_id,) for batch in batches),
        )


def shrink(ledger: Ledger) -> None:
    """Write the file anew if more than a quarter of it is free."""
    ((free,),), ((pages,),) = ledger.execute("PRAGMA freelist_count"), ledger.execute("PRAGMA page_count")
    if free > MIN_FREE_PAGES and free > pages // 4:
        ledger.execute("VACUUM")
