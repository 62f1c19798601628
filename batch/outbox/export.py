"""The rows of many batches in one file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path

from batch import clock
from batch.errors import InputError, OutboxError
from batch.outbox import renamed, settled
from batch.outbox.batches import Batch
from batch.outbox.ledger import Ledger
from batch.results import reader, schema
from batch.results.corrected import EFFECTIVE_COLUMNS, Corrections
from batch.results.scan_keys import ScanNames, scan_key, superseded_keys
from batch.results.schema import Record
from batch.results.writers import Writer
from batch.storage.durable import digest

STDOUT = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """A choice of rows.

    Attributes:
        since: Rows processed then or later; None sets no limit.
        until: Rows processed before then; None sets no limit.
        statuses: Rows of one of these effective statuses; an empty tuple takes all.
        latest: Only the last row of each scan among those processed in that time.
    """

    since: datetime | None = None
    until: datetime | None = None
    statuses: tuple[str, ...] = ()
    latest: bool = False


class PublishedRows:
    """The published rows of an outbox, batch by batch, as they are now.

    Attributes:
        choice: The choice of rows.
        first_missing: The name of the first file that `missing` counts.
        has_old_files: True if a file is of an older version, whose rows have no source.

    Args:
        ledger: The ledger of the outbox; None if it has none yet.
        outbox: The folder of the files.
        choice: The choice of rows.
    """

    def __init__(self, ledger: Ledger | None, outbox: Path, choice: RowFilter) -> None:
        self.choice, self._ledger, self._outbox = choice, ledger, outbox
        self._left_out: set[str] = set()
        self._chosen = 0
        self.first_missing = ""
        self.has_old_files = False

    @property
    def missing(self) -> int:
        """Return how many files were left out: they are gone, or not what was published."""
        return len(self._left_out)

    @property
    def batches(self) -> int:
        """Return how many of the other files of results may have rows of the chosen time."""
        return self._chosen - self.missing

    def scan_names(self) -> ScanNames:
        """Return the names of scans that have had several."""
        return renamed.load(self._ledger)

    def check_files(self) -> list[str]:
        """Check that each file is what was published, and leave out the others; return the columns of all."""
        names: set[str] = set()
        for batch in self._chosen_batches():
            self._chosen += 1
            path = self._outbox / batch.file
            try:
                is_whole = digest(path) == batch.sha256
            except OSError:
                is_whole = False
            if not is_whole:
                self._leave_out(batch)
                continue
            with self._leaving_out_gone(batch):
                names_of_file = reader.columns(path)
                names |= set(names_of_file)
                self.has_old_files |= "source" not in names_of_file
        return schema.order_columns(names)

    def rows(self) -> Iterator[tuple[int, Record]]:
        """Yield the rows of the chosen time, each with a number that is the same the next time."""
        since, until = self.choice.since, self.choice.until
        for number, batch in enumerate(self._chosen_batches()):
            if batch.batch_id in self._left_out:
                continue
            with self._leaving_out_gone(batch):
                for place, row in enumerate(reader.records(self._outbox / batch.file)):
                    processed_at = row["processed_at"]
                    if (since is None or processed_at >= since) and (until is None or processed_at < until):
                        yield number << 32 | place, row

    def _chosen_batches(self) -> Iterator[Batch]:
        """Yield the batches that may have rows of the chosen time.

        Each ends before the next begins. If the next has an earlier time, somebody set the clock back, and
        the two times say nothing of the rows in between.
        """
        since = "" if self.choice.since is None else clock.compact(self.choice.since)
        until = "~" if self.choice.until is None else clock.compact(self.choice.until)
        batch = None
        published = settled.published_batches(self._ledger) if self._ledger else ()
        for following in chain(published, [None]):
            if batch is not None:
                is_set_back = following is not None and following.stamp < batch.stamp
                may_reach_since = following is None or following.stamp >= since
                if is_set_back or (may_reach_since and batch.stamp <= until):
                    yield batch
            batch = following

    @contextmanager
    def _leaving_out_gone(self, batch: Batch) -> Iterator[None]:
        """Leave out a file that somebody takes away before a block has opened it."""
        try:
            yield
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            self._leave_out(batch)

    def _leave_out(self, batch: Batch) -> None:
        self.first_missing = self.first_missing or batch.file
        self._left_out.add(batch.batch_id)


class LatestRows:
    """The number of the last row of each scan; scans are the same if source, file, page and content are.

    A row gives way to any later row that is the same in what it has, see `superseded_keys`. There may be
    millions of scans, so a temporary file has the numbers.

    Args:
        rows: The rows, each with its number, in order.
        has_old_files: True if some rows may lack their source.
        scan_names: The names of scans that have had several.
    """

    def __init__(
        self, rows: Iterator[tuple[int, Record]], *, has_old_files: bool, scan_names: ScanNames
    ) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.execute("CREATE TABLE last (scan BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
        self._connection.execute("BEGIN")
        scans = (
            (key, number)
            for number, row in rows
            for key in superseded_keys(
                row["file"],
                row.get("source"),
                row.get("page"),
                row["sha256"],
                has_old_files=has_old_files,
                scan_names=scan_names,
            )
        )
        try:
            self._connection.executemany("INSERT OR REPLACE INTO last VALUES (?, ?)", scans)
        except sqlite3.Error as error:
            raise OutboxError(
                f"cannot write a temporary file: {error}; set SQLITE_TMPDIR to a folder with room"
            ) from error

    def has(self, number: int, row: Record) -> bool:
        """Return whether a row is the last of its scan."""
        key = scan_key(row["file"], row.get("source"), row.get("page"), row["sha256"])
        last = self._connection.execute("SELECT number FROM last WHERE scan = ?", (key,)).fetchone()
        return last == (number,)

    def close(self) -> None:
        """Delete the temporary file."""
        self._connection.close()


def export_rows(
    source: PublishedRows,
    corrections: Corrections | None,
    open_writer: Callable[[list[str]], Writer],
) -> int:
    """Write the chosen rows, in the order in which they were published; return how many.

    Args:
        source: The rows of the outbox.
        corrections: What people said of them; None for the rows as they were published.
        open_writer: Makes the writer for these columns.

    Raises:
        MissingExtraError: A file is Parquet, and the extra is not installed.
        OSError: A file cannot be read or written.
    """
    count = 0
    names = source.check_files()
    with ExitStack() as stack:
        latest = None
        if source.choice.latest:
            latest = LatestRows(
                source.rows(), has_old_files=source.has_old_files, scan_names=source.scan_names()
            )
            stack.callback(latest.close)
        columns = names
        if corrections is not None:
            if corrections.has_numbers:
                names = schema.order_columns({*names, schema.NUMBER_COLUMN})
            columns = [*names, *EFFECTIVE_COLUMNS]
        with_numbers = schema.NUMBER_COLUMN in columns
        writer = stack.enter_context(closing(open_writer(columns)))
        for number, row in source.rows():
            if latest is not None and not latest.has(number, row):
                continue
            effective = row if corrections is None else corrections.apply(row)
            if source.choice.statuses and effective["status"] not in source.choice.statuses:
                continue
            if with_numbers and effective["prediction"] is not None:
                # In one table with numbers, digits are text, too.
                effective = {**effective, "prediction": str(effective["prediction"])}
            writer.add([effective.get(name) for name in columns])
            count += 1
    return count
