"""The ledger: which scans have their row, and how far each batch has come."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from batch.errors import LedgerError, OutboxError
from batch.records import TRANSIENT, After, Outcome, Reason, ScanRef, Status

FILE = "ledger.sqlite3"
# What each version of the tables added to the one before; a ledger is brought up when it is opened to write.
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
    # Never changed, only added to: of the corrections of one row, the last one counts.
    """
CREATE TABLE corrections (
    batch TEXT NOT NULL,
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    said TEXT NOT NULL,
    corrected TEXT NOT NULL,
    corrected_by TEXT NOT NULL,
    reviewed_at TEXT NOT NULL,
    applied_at TEXT NOT NULL
);
CREATE INDEX corrections_by_batch ON corrections (batch);
""",
)
ROWS_A_PATH = 16  # of those that are read to look up many paths at once, or each is looked up by itself
_MAY_PASS = ", ".join(f"'{reason}'" for reason in sorted(TRANSIENT))
_LOOK = f"SELECT path, size_bytes, mtime_ns, IFNULL(reason IN ({_MAY_PASS}), 0) FROM members WHERE"  # noqa: S608
# What says that the disk, not the ledger, is the trouble; the low byte of SQLite's codes.
_OF_THE_DISK = frozenset(
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
# What says that no file can be made beside the ledger, which SQLite wants to do even to read it; by version.
_OF_THE_FOLDER = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


def exists(folder: Path) -> bool:
    """Whether there is a ledger in a folder.

    Raises:
        OutboxError: nobody can tell: the folder may not be looked into.
    """
    path = folder / FILE
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise OutboxError(f"cannot read the ledger {path}: {error.strerror}; allow it") from error
    return True


class State(StrEnum):
    """How far a batch has come."""

    PREPARED = "prepared"
    PUBLISHED = "published"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Batch:
    """A file of results, staged or published.

    Attributes:
        batch_id: as in the column `batch`.
        file: name of the file of results.
        sha256: of its bytes.
        after: what becomes of its scans.
        state: how far it has come.
    """

    batch_id: str
    file: str
    sha256: str
    after: After
    state: State


class Ledger:
    """The SQLite file of an outbox; one process writes to it at a time, under the outbox's lock.

    Every change is on the disk when its method returns, but for `add`: members are part of the ledger
    from `prepare` on.

    Args:
        folder: that holds it.
        read_only: to look at it while another process works.

    Raises:
        LedgerError: it is damaged, or of a newer digitbox.
        OutboxError: it cannot be opened or made.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self._path, self._read_only = folder / FILE, read_only
        with self._reporting():
            self._connection = self._connect("?mode=ro" if read_only else "")
            try:
                self._set_up()
            except sqlite3.OperationalError as error:
                self._connection.close()
                if not read_only or error.sqlite_errorcode & 0xFF not in _OF_THE_FOLDER:
                    raise
                self._connection = self._connect("?immutable=1")
                self._set_up()
            except BaseException:
                self._connection.close()
                raise

    def _connect(self, how: str) -> sqlite3.Connection:
        address = self._path.absolute().as_uri() + how
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=10)

    def _set_up(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > len(_STEPS):
            raise LedgerError(
                f"the ledger {self._path} was written by a newer digitbox: use that, or give another --outbox"
            )
        if self._read_only:
            return
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # a commit must outlive a power cut
        for number, step in enumerate(_STEPS[version:], version + 1):
            self._connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")

    def close(self) -> None:
        """Forgets what was not prepared, and closes the file."""
        self.forget()
        self._connection.close()

    def add(self, batch_id: str, outcomes: Iterable[Outcome]) -> None:
        """Adds members to a batch that is not prepared yet."""
        with self._reporting():
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(
                "INSERT INTO members VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                ((batch_id, *_member(outcome)) for outcome in outcomes),
            )

    def prepare(self, batch: Batch) -> None:
        """Makes a batch with its members part of the ledger."""
        with self._reporting():
            self._connection.execute(
                "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
                (batch.batch_id, batch.file, batch.sha256, batch.after.value, batch.state.value),
            )
            self._connection.execute("COMMIT")

    def forget(self) -> None:
        """Drops the members of a batch that is not prepared."""
        with self._reporting():
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def delete(self, batch_id: str) -> None:
        """Drops a batch with its members."""
        with self._reporting():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("DELETE FROM members WHERE batch = ?", (batch_id,))
            self._connection.execute("DELETE FROM batches WHERE batch = ?", (batch_id,))
            self._connection.execute("COMMIT")

    def mark(self, batch_id: str, state: State) -> None:
        """Says how far a batch has come."""
        self.execute("UPDATE batches SET state = ? WHERE batch = ?", (state.value, batch_id))

    def unfinished(self) -> list[Batch]:
        """Batches that are not retired, the oldest first."""
        rows = self.execute(
            "SELECT batch, file, sha256, after, state FROM batches WHERE state != 'retired' ORDER BY rowid"
        )
        return [
            Batch(batch, file, sha256, After(after), State(state))
            for batch, file, sha256, after, state in rows
        ]

    def members(self, batch_id: str) -> Iterator[Outcome]:
        """Yields the scans of a batch, without their digits."""
        rows = self.execute(
            "SELECT path, name, size_bytes, mtime_ns, inode, sha256, status, reason FROM members "
            "WHERE batch = ? ORDER BY rowid",
            (batch_id,),
        )
        for path, name, size_bytes, mtime_ns, inode, sha256, status, reason in rows:
            ref = ScanRef(os.fsdecode(path), os.fsdecode(name), size_bytes, mtime_ns, inode)
            yield Outcome(ref, Status(status), None if reason is None else Reason(reason), sha256)

    def unsettled(self, refs: Sequence[ScanRef], attempts: int = 1) -> list[ScanRef]:
        """Those of some scans that have no row: none of this path, size and modification time.

        Args:
            refs: hundreds at a time, best in the order of their paths: so they are looked up together.
            attempts: rows that say that a scan failed, for a reason that may pass, before one of them counts.
        """
        if not refs:
            return []
        paths = os.fsencode("\0".join(ref.path for ref in refs)).split(b"\0")
        rows = Counter(self._rows(paths))
        return [
            ref
            for ref, path in zip(refs, paths, strict=True)
            if (path, ref.size_bytes, ref.mtime_ns, 0) not in rows
            and rows[path, ref.size_bytes, ref.mtime_ns, 1] < attempts
        ]

    def _rows(self, paths: list[bytes]) -> list[tuple[bytes, int, int, int]]:
        """At least the rows of these paths: with each, whether it says of a failure that it may pass."""
        most = ROWS_A_PATH * len(paths)
        found = self.execute(f"{_LOOK} path BETWEEN ? AND ? LIMIT ?", (min(paths), max(paths), most))
        if len(found) < most:
            return found
        # There are many others in between.
        return [row for path in {*paths} for row in self.execute(f"{_LOOK} path = ?", (path,))]

    def waits_to_retire(self, ref: ScanRef) -> bool:
        """Whether this very file has its row, and only could not be moved or deleted yet."""
        found = self.execute(
            "SELECT 1 FROM members JOIN batches USING (batch) WHERE path = ? AND size_bytes = ? "
            "AND mtime_ns = ? AND inode = ? AND state != 'retired' LIMIT 1",
            (os.fsencode(ref.path), ref.size_bytes, ref.mtime_ns, ref.inode),
        )
        return bool(found)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes all changes of a `with` part of the ledger at its end, or none when an exception passes."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.forget()
            raise
        self.execute("COMMIT")

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        """Rows that a statement gives; for modules with questions of their own, such as `runs`."""
        with self._reporting():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in _OF_THE_DISK:
                if self._read_only:
                    raise OutboxError(f"cannot read the ledger {self._path}: {error}; allow it") from error
                raise OutboxError(
                    f"cannot write to the ledger {self._path}: {error}; make room or give another --outbox"
                ) from error
            raise LedgerError(
                f"the ledger {self._path} is damaged ({error}): restore it, or move it away; without it, "
                "scans that have been read count as new"
            ) from error


def _member(outcome: Outcome) -> tuple[Any, ...]:
    ref = outcome.ref
    return (
        os.fsencode(ref.path),
        os.fsencode(ref.name),
        ref.size_bytes,
        ref.mtime_ns,
        ref.inode,
        outcome.sha256,
        outcome.status.value,
        None if outcome.reason is None else outcome.reason.value,
    )
