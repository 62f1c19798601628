"""The past of an outbox, as its ledger knows it: what is to be read again, forgotten, or taken together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import InputError, OutboxError
from batch.locations import Location, state_folder
from batch.outbox import ledger
from batch.outbox.ledger import Batch, Ledger, State
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.results import names
from batch.storage import locks

PAGE_ROWS = 10_000  # looked at in one go: a ledger may have millions
WASTE_PAGES = 1000  # of 4 KiB: less is not worth to be written anew

_MEMBER = "path, name, size_bytes, mtime_ns, inode, members.sha256, status, reason"
_BATCH = "batch, file, batches.sha256, after, state"
_HAS_LATER = (
    "EXISTS (SELECT 1 FROM members AS later WHERE later.path = members.path "
    "AND later.size_bytes = members.size_bytes AND later.mtime_ns = members.mtime_ns "
    "AND later.rowid > members.rowid)"
)
# Batches before a time, which the names of their files have.
_OF_OLD = (
    f"batch IN (SELECT batch FROM batches WHERE state = 'retired' "  # noqa: S608
    f"AND substr(file, {names.STAMP_START}) < ?)"
)


@dataclass(frozen=True, slots=True)
class Settled:
    """A scan that has its row, and the batch that it was published with.

    Attributes:
        rowid: of its member in the ledger.
        outcome: without the digit.
        batch: whose rows are published, and whose scans are where they are to be.
    """

    rowid: int
    outcome: Outcome
    batch: Batch


def stamp(batch: Batch) -> str:
    """When a batch began, UTC, as the name of its file says; such texts are in the order of their times."""
    return names.stamp(batch.file)


def exists(outbox: Location) -> bool:
    """Whether an outbox has a ledger.

    Raises:
        InputError: there is no such outbox.
        OutboxError: it may not be looked into.
    """
    if ledger.exists(state_folder(outbox)):
        return True
    if isinstance(outbox, Path) and not os.path.isdir(outbox):
        raise InputError(f"no outbox {outbox}: give the --outbox of your runs")
    return False


class Archive(Ledger):
    """The ledger, asked for what is finished."""

    def settled(self) -> Iterator[Settled]:
        """Yields the last row of each scan, the oldest first; what it yields may be forgotten meanwhile.

        A scan is told by path, size and modification time. Left out are batches that are not finished.
        """
        last = 0
        while page := self._ask(
            f"SELECT members.rowid, {_MEMBER}, {_BATCH} FROM members JOIN batches USING (batch) "  # noqa: S608
            f"WHERE members.rowid > ? AND state = 'retired' AND NOT {_HAS_LATER} "
            "ORDER BY members.rowid LIMIT ?",
            (last, PAGE_ROWS),
        ):
            for rowid, path, name, size_bytes, mtime_ns, inode, sha256, status, reason, *batch in page:
                ref = ScanRef(os.fsdecode(path), os.fsdecode(name), size_bytes, mtime_ns, inode)
                outcome = Outcome(ref, Status(status), Reason(reason) if reason else None, sha256)
                yield Settled(rowid, outcome, _batch(batch))
            last = page[-1][0]

    def published(self) -> Iterator[Batch]:
        """Yields the batches whose rows are published, the oldest first."""
        last = 0
        while page := self._ask(
            f"SELECT rowid, {_BATCH} FROM batches WHERE rowid > ? AND state != 'prepared' "  # noqa: S608
            "ORDER BY rowid LIMIT ?",
            (last, PAGE_ROWS),
        ):
            for _, *batch in page:
                yield _batch(batch)
            last = page[-1][0]

    def forget_scans(self, scans: Iterable[Settled]) -> None:
        """Forgets that these scans have their rows, all that they have: they are new then."""
        with self._changing():
            self._connection.executemany(
                "DELETE FROM members WHERE path = ? AND size_bytes = ? AND mtime_ns = ? "
                "AND batch IN (SELECT batch FROM batches WHERE state = 'retired')",
                (
                    (
                        os.fsencode(scan.outcome.ref.path),
                        scan.outcome.ref.size_bytes,
                        scan.outcome.ref.mtime_ns,
                    )
                    for scan in scans
                ),
            )

    def superseded(self, before: str) -> int:
        """Number of rows from before a stamp of scans that have a later row."""
        ((count,),) = self._ask(
            f"SELECT count(*) FROM members WHERE {_OF_OLD} AND {_HAS_LATER}",  # noqa: S608
            (before,),
        )
        return int(count)

    def forget_superseded(self, before: str) -> None:
        """Forgets the rows that `superseded` counts."""
        self._ask(f"DELETE FROM members WHERE {_OF_OLD} AND {_HAS_LATER}", (before,))  # noqa: S608

    def forget_batches(self, batches: Sequence[Batch]) -> int:
        """Forgets those batches of which no scan is known any more; returns how many."""
        with self._changing():
            return self._connection.executemany(
                "DELETE FROM batches WHERE batch = ? AND state = 'retired' "
                "AND NOT EXISTS (SELECT 1 FROM members WHERE members.batch = batches.batch)",
                ((batch.batch_id,) for batch in batches),
            ).rowcount

    def shrink(self) -> None:
        """Writes the file anew when much of it is of no use any more."""
        ((free,),), ((pages,),) = self._ask("PRAGMA freelist_count"), self._ask("PRAGMA page_count")
        if free > WASTE_PAGES and free > pages // 4:
            self._ask("VACUUM")

    def hold_still(self) -> None:
        """Sees the ledger as it is now until it is closed, whatever another process writes."""
        self._ask("BEGIN")

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._reporting():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._reporting():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


@contextmanager
def open_ledger(outbox: Location, *, read_only: bool = False) -> Iterator[Archive]:
    """The past of an outbox that has a ledger; to change it, under the outbox's lock.

    Raises:
        BusyError: another process writes to it.
        OutboxError: it cannot be written.
        LedgerError: its ledger is damaged.
    """
    with ExitStack() as held:
        if not read_only:
            lock = state_folder(outbox) / "lock"
            busy = (
                f"another digitbox is writing to {outbox}: wait for it; digitbox watch must be stopped first"
            )
            try:
                lock.touch()
                held.enter_context(locks.hold(lock, exclusive=True, busy=busy))
            except OSError as error:
                raise OutboxError(
                    f"cannot write to the outbox {outbox}: {error.strerror}; change that"
                ) from error
        yield held.enter_context(closing(Archive(state_folder(outbox), read_only=read_only)))


def _batch(row: Sequence[str]) -> Batch:
    batch, file, sha256, after, state = row
    return Batch(batch, file, sha256, After(after), State(state))
