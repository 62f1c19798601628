"""The ledger: the SQLite file of an outbox, its tables, its transactions and its errors.

The questions to it stand elsewhere in this package, in modules of functions that take a `Ledger` first:
`batches`, `settled` and `run_history`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from batch.errors import InputError, LedgerError, OutboxError
from batch.locations import LEDGER_FILE, STATE, Location, state_folder
from batch.outbox import turns
from batch.results import names
from batch.storage.disk import check_same, inode_of

# What each version of the tables adds to the one before. Opening a ledger to write brings it up to date.
_STEPS = (
    """
CREATE TABLE batches (
    batch TEXT PRIMARY KEY,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    after TEXT NOT NULL,
    state TEXT NOT NULL
);
CREATE INDEX unfinished ON batches (state) WHERE state != 'retired';
CREATE TABLE members (
    batch TEXT NOT NULL,
    path BLOB NOT NULL,
    name BLOB NOT NULL,
    size_bytes INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    status TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX members_by_path ON members (path, size_bytes, mtime_ns);
CREATE INDEX members_by_batch ON members (batch);
CREATE TABLE watcher (pid INTEGER, inbox BLOB, state TEXT, detail TEXT, beat_at TEXT);
""",
    """
CREATE TABLE runs (run TEXT PRIMARY KEY, exit_code INTEGER, summary TEXT NOT NULL);
ALTER TABLE watcher ADD COLUMN since TEXT;
ALTER TABLE watcher ADD COLUMN every_s REAL;
""",
    # The third version had corrections here, and ledgers of that time still do: see `corrections`.
    "",
    # 0 in the rows of older versions: the content of such a scan decides whether it is another one.
    "ALTER TABLE members ADD COLUMN ctime_ns INTEGER NOT NULL DEFAULT 0;",
    # Of a scan of several pages, `members` has one row. This table has its pages that are not ok, and
    # the first that is.
    """
CREATE TABLE pages (
    batch TEXT NOT NULL,
    path BLOB NOT NULL,
    page INTEGER NOT NULL,
    status TEXT NOT NULL,
    reason TEXT
);
CREATE INDEX pages_by_batch ON pages (batch);
""",
    # Empty in the rows of older versions.
    "ALTER TABLE members ADD COLUMN source BLOB NOT NULL DEFAULT x'';",
    # Scans that came back under another name, in the form of the results: see `renamed`.
    """
CREATE TABLE renamed (
    source TEXT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    former TEXT NOT NULL,
    PRIMARY KEY (source, file, sha256)
);
""",
    # Empty in the rows of older versions.
    "ALTER TABLE members ADD COLUMN extra TEXT NOT NULL DEFAULT '';",
)
# The columns of members that a version added, as they are in the rows of older ones.
_ADDED_COLUMNS = {4: "0 AS ctime_ns", 6: "x'' AS source", 8: "'' AS extra"}


class Schema(NamedTuple):
    """The tables of an SQLite file.

    Attributes:
        file: The name of the file.
        steps: What each version of the tables adds to the one before.
        loss: What it means for people to be without the file, for a message.
    """

    file: str
    steps: tuple[str, ...]
    loss: str


LEDGER = Schema(LEDGER_FILE, _STEPS, "without it, scans that have been read count as new")
# Low bytes of SQLite's codes that say that the disk is the trouble, and not the ledger.
_DISK_ERRORS = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_LOCKED,
    }
)
# SQLite makes files beside a ledger even to read it. These codes say that the folder forbids that or is full.
_FOLDER_ERRORS = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR})


class Ledger:
    """A connection to a ledger. One process writes to it at a time; for that of scans, a lock sees to it.

    A change is on the disk when its method returns; within a transaction, when `commit` returns. If somebody
    replaces the file meanwhile, e.g. moves it to another disk, a commit fails.

    Attributes:
        is_read_only: True if it only looks.

    Args:
        folder: The state folder, which holds the file.
        read_only: Open it to look at, while another process may write to it.
        schema: Another file with its tables.

    Raises:
        LedgerError: The file is damaged, or of a newer digitbox.
        OutboxError: The file cannot be opened or made.
    """

    def __init__(self, folder: Path, *, read_only: bool = False, schema: Schema = LEDGER) -> None:
        self._path, self.is_read_only, self._schema = folder / schema.file, read_only, schema
        self._check_not_emptied()
        with self._reporting():
            self._connection = self._connect("?mode=ro" if read_only else "")
            try:
                self._set_up()
            except sqlite3.OperationalError as error:
                self._connection.close()
                if not read_only or error.sqlite_errorcode & 0xFF not in _FOLDER_ERRORS:
                    raise
                self._connection = self._connect("?immutable=1")
                self._set_up()
            except BaseException:
                self._connection.close()
                raise
        self._identity = inode_of(self._path)

    def _check_not_emptied(self) -> None:
        """Check that the file is not empty, as after a power cut, although the outbox has been used.

        SQLite would take an empty file for a new ledger, and delete the log beside it.
        """
        try:
            is_empty = os.path.getsize(self._path) == 0
        except OSError:  # there is none yet, or `_connect` says why it cannot be read
            return
        if is_empty and self._is_used():
            raise LedgerError(self._damage("it is empty"))

    def _connect(self, parameters: str) -> sqlite3.Connection:
        address = self._path.absolute().as_uri() + parameters
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=10)

    def _set_up(self) -> None:
        steps = self._schema.steps
        has_tables = self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        if self.is_read_only and not has_tables:
            if self._has_results():
                raise LedgerError(self._damage("it has no tables"))
            # Another process is about to make the tables, or was killed then. Here are empty ones.
            self._connection.close()
            self._connection = sqlite3.connect(":memory:", isolation_level=None)
            self._connection.executescript("".join(steps))
            return
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > len(steps):
            raise LedgerError(
                f"the ledger {self._path} was written by a newer digitbox: use that, or give another --outbox"
            )
        if self.is_read_only:
            added = [column for since, column in _ADDED_COLUMNS.items() if version < since]
            if self._schema is LEDGER and added:  # nothing can bring it up to date now
                columns = ", ".join(["rowid", "*", *added])
                self._connection.execute(
                    f"CREATE TEMP VIEW members AS SELECT {columns} FROM main.members"  # noqa: S608
                )
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # a commit must outlive a power cut
        for number, step in enumerate(steps[version:], version + 1):
            try:
                self._connection.executescript(
                    f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;"
                )
            except sqlite3.OperationalError:
                self.rollback()
                (version,) = self._connection.execute("PRAGMA user_version").fetchone()
                if version < number:
                    raise  # else another process was faster

    def close(self) -> None:
        """Roll back what was not committed, and close the file."""
        self.rollback()
        self._connection.close()

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that a statement gives."""
        with self._reporting():
            return self._connection.execute(statement, values).fetchall()

    def execute_many(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Execute a statement with each row of values; return how many rows of the table it changed."""
        with self._reporting():
            return self._connection.executemany(statement, rows).rowcount

    def begin(self) -> None:
        """Begin a transaction that writes; go on with the one that is open, if there is one."""
        if not self._connection.in_transaction:
            self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make the changes of the transaction part of the ledger.

        Raises:
            OutboxError: The disk is full, or `check_in_place` fails.
        """
        self.check_in_place()
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Drop the changes of the transaction, if one is open."""
        if self._connection.in_transaction:
            self.execute("ROLLBACK")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes of a `with` block part of the ledger at its end; drop them if it raises.

        Within another transaction, they are a part of that.
        """
        if self._connection.in_transaction:
            yield
            return
        self.begin()
        try:
            yield
            self.commit()
        except BaseException:
            self.rollback()
            raise

    def check_in_place(self) -> None:
        """Check that the file is still where digitbox opened it: others do not see what it writes elsewhere.

        Raises:
            OutboxError: Somebody replaced it, or took it away.
        """
        check_same(self._path, self._identity)

    def check_pages(self) -> None:
        """Check that each page of the file is sound: a query meets only damage in the pages that it reads.

        Raises:
            LedgerError: A page is damaged.
        """
        ((found,),) = self.execute("PRAGMA quick_check(1)")
        if found != "ok":
            raise LedgerError(self._damage(found.splitlines()[-1]))

    def hold_snapshot(self) -> None:
        """Show the ledger as it is now until it is closed, whatever another process writes."""
        self.execute("BEGIN")

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _DISK_ERRORS:
                if self.is_read_only:
                    raise OutboxError(f"cannot read the ledger {self._path}: {error}; allow it") from error
                raise OutboxError(
                    f"cannot write to the ledger {self._path}: {error}; make room or give another --outbox"
                ) from error
            raise LedgerError(self._damage(str(error))) from error

    def _damage(self, cause: str) -> str:
        return (
            f"the ledger {self._path} is damaged ({cause}): restore it, or move it away; {self._schema.loss}"
        )

    def _is_used(self) -> bool:
        """Return whether a log beside an empty file, or results of the outbox, show that it had content."""
        log = self._path.with_name(f"{self._path.name}-wal")
        return (log.is_file() and log.stat().st_size > 0) or self._has_results()

    def _has_results(self) -> bool:
        folder = self._path.parent
        return self._schema is LEDGER and folder.name == STATE and bool(names.find(folder.parent))


def has_tables(folder: Path, schema: Schema = LEDGER) -> bool:
    """Return whether a state folder has a ledger, or another file with tables.

    Raises:
        OutboxError: The folder does not allow a look into it.
    """
    path = folder / schema.file
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise OutboxError(f"cannot read the ledger {path}: {error.strerror}; allow it") from error
    return True


def has_ledger(outbox: Location) -> bool:
    """Return whether an outbox has a ledger.

    Raises:
        InputError: There is no such outbox.
        OutboxError: The outbox does not allow a look into it.
    """
    if has_tables(state_folder(outbox)):
        return True
    if isinstance(outbox, Path) and not os.path.isdir(outbox):
        raise InputError(f"no outbox {outbox}: give the --outbox of your runs")
    return False


def hold_to_clean(outbox: Location) -> AbstractContextManager[None]:
    """Return the locks of who cleans up an outbox, as a context manager; see `turns.hold_outbox`."""
    busy = f"a run, prune or retry is at work in {outbox}: wait for it"
    return turns.hold_outbox(state_folder(outbox), turns.Role.CLEANER, busy=busy)


@contextmanager
def open_ledger(outbox: Location, *, read_only: bool = False) -> Iterator[Ledger]:
    """Open the ledger of an outbox that has one, to look at it or to clean up.

    Who cleans up holds the lock for that, and must change the ledger in a turn: see `turns`.

    Raises:
        BusyError: A run or another process that cleans up is there.
        OutboxError: The outbox cannot be written.
        LedgerError: The ledger is damaged.
    """
    folder = state_folder(outbox)
    with ExitStack() as stack:
        if read_only:
            yield stack.enter_context(closing(Ledger(folder, read_only=True)))
            return
        try:
            stack.enter_context(hold_to_clean(outbox))
            with turns.hold_turn(folder):  # a ledger of an older version gets its new tables
                ledger = stack.enter_context(closing(Ledger(folder)))
        except OSError as error:
            raise OutboxError(
                f"cannot write to the outbox {outbox}: {error.strerror}; change that"
            ) from error
        yield ledger
