"""The rows of many batches in one file."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from batch import clock
from batch.errors import OutboxError
from batch.outbox import settled
from batch.outbox.ledger import Batch
from batch.outbox.settled import Archive
from batch.results import reader, schema
from batch.results.schema import Record
from batch.results.writers import Writer
from batch.storage.durable import digest

STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows are wanted.

    Attributes:
        since: processed then or later; None does not matter.
        until: processed before.
        statuses: one of these; empty does not matter.
        latest: only the last row of each scan, of those that were processed in that time.
    """

    since: datetime | None = None
    until: datetime | None = None
    statuses: tuple[str, ...] = ()
    latest: bool = False


class PublishedRows:
    """The published rows of an outbox, batch by batch, as they are now.

    Attributes:
        batches: number of files of results that have rows of the wanted time, or may have.
        missing: how many more there were: they were taken away, or are not what was published.
        first_missing: name of the first of these.

    Args:
        past: the outbox's ledger; None where there is none yet.
        outbox: folder of the files.
        choice: of rows.
    """

    def __init__(self, past: Archive | None, outbox: Path, choice: RowFilter) -> None:
        self._past, self._outbox, self._choice = past, outbox, choice
        self._left_out: set[str] = set()
        self.first_missing = ""
        self.batches = 0

    @property
    def missing(self) -> int:
        """How many files were left out: they were taken away, or are not what was published."""
        return len(self._left_out)

    def inspect(self) -> list[str]:
        """Looks at each file, whether it is what was published; returns the columns of all together."""
        names: set[str] = set()
        for batch in self._all():
            path = self._outbox / batch.file
            try:
                is_whole = digest(path) == batch.sha256
            except OSError:
                is_whole = False
            if is_whole:
                names |= set(reader.columns(path))
                self.batches += 1
            else:
                self._leave_out(batch)
        return schema.order_columns(names)

    def rows(self) -> Iterator[tuple[int, Record]]:
        """Yields the rows of the wanted time, each with a number that is the same the next time."""
        since, until = self._choice.since, self._choice.until
        for number, batch in enumerate(self._all()):
            if batch.batch_id in self._left_out:
                continue
            for place, row in enumerate(reader.records(self._outbox / batch.file)):
                at = row["processed_at"]
                if (since is None or at >= since) and (until is None or at < until):
                    yield number << 32 | place, row

    def _all(self) -> Iterator[Batch]:
        """Batches that may have rows of the wanted time: each ends before the next begins."""
        since = "" if self._choice.since is None else clock.compact(self._choice.since)
        until = "~" if self._choice.until is None else clock.compact(self._choice.until)
        batch = None
        for following in chain(self._past.published() if self._past else (), [None]):
            may_last = following is None or settled.stamp(following) >= since
            if batch is not None and may_last and settled.stamp(batch) <= until:
                yield batch
            batch = following

    def _leave_out(self, batch: Batch) -> None:
        self.first_missing = self.first_missing or batch.file
        self._left_out.add(batch.batch_id)


class LatestRows:
    """Knows which row of each scan is the last: of each name and content, that is.

    A row without content (the scan vanished, or could not be read) gives way to any later row of its name.
    What is known is kept in a temporary file: there may be millions.
    """

    def __init__(self, rows: Iterator[tuple[int, Record]]) -> None:
        self._known = sqlite3.connect("", isolation_level=None)
        self._known.execute("CREATE TABLE last (scan BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._known.execute("BEGIN")
        scans = ((_scan(row, sha256), at) for at, row in rows for sha256 in {row["sha256"], None})
        try:
            self._known.executemany("INSERT OR REPLACE INTO last VALUES (?, ?)", scans)
        except sqlite3.Error as error:
            raise OutboxError(
                f"cannot note so many scans in a file: {error}; set SQLITE_TMPDIR to a folder with room"
            ) from error

    def has(self, number: int, row: Record) -> bool:
        """Whether a row is the last of its scan."""
        found = self._known.execute("SELECT number FROM last WHERE scan = ?", (_scan(row, row["sha256"]),))
        return found.fetchone() == (number,)

    def close(self) -> None:
        """Lets go of the temporary file."""
        self._known.close()


def _scan(row: Record, sha256: str | None) -> bytes:
    return hashlib.blake2b(f"{row['file']}\0{sha256 or ''}".encode(), digest_size=16).digest()


def export_rows(source: PublishedRows, choice: RowFilter, open_writer: Callable[[list[str]], Writer]) -> int:
    """Writes the chosen rows, in the order in which they were published; returns how many.

    Raises:
        MissingExtraError: some are in Parquet, and the extra is not installed.
        OSError: something cannot be read or written.
    """
    count = 0
    names = source.inspect()
    with ExitStack() as opened:
        latest = opened.enter_context(closing(LatestRows(source.rows()))) if choice.latest else None
        writer = opened.enter_context(closing(open_writer(names)))
        for number, row in source.rows():
            if choice.statuses and row["status"] not in choice.statuses:
                continue
            if latest is None or latest.has(number, row):
                writer.add([row.get(name) for name in names])
                count += 1
    return count
