"""Batches and their members in the ledger: how far each batch has come, and which scans have their row."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from batch.locations import is_remote
from batch.outbox.ledger import Ledger
from batch.records import TRANSIENT, After, Outcome, Reason, ScanRef, Status, by_file
from batch.results import names
from batch.storage.disk import digest_if_readable

_Facts = tuple[bytes, int, int, int, int]
_Row = tuple[bytes, int, int, int, int, int]

BATCH_COLUMNS = "batch, file, batches.sha256, after, state"
"""Columns of a row that `Batch.from_row` takes."""
MEMBER_COLUMNS = (
    "path, name, size_bytes, mtime_ns, inode, source, ctime_ns, members.sha256, status, reason, extra"
)
"""Columns of a row that `outcome_of` takes."""
MAX_ROWS_PER_PATH = 16  # in the range of many paths; with more, digitbox looks up each path by itself

_TRANSIENT = ", ".join(f"'{reason}'" for reason in sorted(TRANSIENT))
_IS_TRANSIENT = f"IFNULL(reason IN ({_TRANSIENT}), 0)"
_FIND_ROWS = f"SELECT path, size_bytes, mtime_ns, inode, ctime_ns, {_IS_TRANSIENT} FROM members WHERE"  # noqa: S608


class State(StrEnum):
    """How far a batch has come."""

    PREPARED = "prepared"
    PUBLISHED = "published"
    DISPOSED = "retired"  # the word of the first ledgers, which are still read


# SQLite uses the index of unfinished batches only for these very words.
_IS_UNFINISHED = f"state != '{State.DISPOSED}'"
IS_FINISHED = f"state = '{State.DISPOSED}'"
IS_PUBLISHED = f"state != '{State.PREPARED}'"


@dataclass(frozen=True, slots=True)
class Batch:
    """A file of results, staged or published.

    Attributes:
        batch_id: Identifies it, as in the column `batch` of the results.
        file: The name of the file of results.
        sha256: The digest of its bytes.
        after: What becomes of its scans.
        state: How far it has come.
    """

    batch_id: str
    file: str
    sha256: str
    after: After
    state: State

    @classmethod
    def from_row(cls, row: Sequence[str]) -> Self:
        """Return the batch of a row with the columns `BATCH_COLUMNS`."""
        batch_id, file, sha256, after, state = row
        return cls(batch_id, file, sha256, After(after), State(state))

    @property
    def stamp(self) -> str:
        """Return when the batch began, UTC, from the name of its file; such texts sort by time."""
        return names.stamp(self.file)


def outcome_of(row: Sequence[Any]) -> Outcome:
    """Return the outcome, without its digit, of a row with the columns `MEMBER_COLUMNS`."""
    path, name, size_bytes, mtime_ns, inode, source, ctime_ns, sha256, status, reason, extra = row
    path, name, source = os.fsdecode(path), os.fsdecode(name), os.fsdecode(source)
    ref = ScanRef(path, name, size_bytes, mtime_ns, inode, source, ctime_ns)
    return Outcome(ref, Status(status), None if reason is None else Reason(reason), sha256, extra=extra)


def add_members(ledger: Ledger, batch_id: str, outcomes: Iterable[Outcome]) -> None:
    """Add scans to a batch, in a transaction that `prepare` commits.

    Args:
        ledger: The ledger of the outbox.
        batch_id: The batch.
        outcomes: The outcomes of whole files. A file of several pages is one member.
    """
    ledger.begin()
    several: list[list[Outcome]] = []

    def rows() -> Iterator[tuple[Any, ...]]:
        for pages in by_file(outcomes):
            if pages[0].page:
                several.append(pages)
            yield (batch_id, *_member(file_outcome(pages)))

    ledger.execute_many(
        "INSERT INTO members (batch, path, name, size_bytes, mtime_ns, inode, source, ctime_ns, sha256, "
        "status, reason, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows(),
    )
    ledger.execute_many(
        "INSERT INTO pages VALUES (?, ?, ?, ?, ?)",
        (
            (batch_id, os.fsencode(page.ref.path), page.page, page.status.value, _reason_of(page))
            for pages in several
            for page in _doubtful_and_first_ok(pages)
        ),
    )


def file_outcome(pages: Sequence[Outcome]) -> Outcome:
    """Return the outcome that stands for a file of several pages in the ledger.

    It is the most serious one. The file is not to be read again only because some pages failed for a reason
    that may pass, as the other pages have their rows.
    """
    worst = min(pages, key=lambda page: (SEVERITY[page.status], page.reason in TRANSIENT))
    if worst.reason in TRANSIENT and not all(page.reason in TRANSIENT for page in pages):
        return worst._replace(reason=None)
    return worst


def _doubtful_and_first_ok(pages: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield each page that is not ok, as a person may answer it, and the first that is."""
    has_ok = False
    for page in pages:
        if page.status is not Status.OK or not has_ok:
            yield page
        has_ok |= page.status is Status.OK


SEVERITY = {Status.FAILED: 0, Status.REVIEW: 1, Status.REFUSED: 2, Status.OK: 3}

PageResult = tuple[int, Status, Reason | None]
"""The number of a page, from 1, and what became of it."""


def pages_of(ledger: Ledger, batch_id: str) -> dict[str, list[PageResult]]:
    """Return the pages of a batch that are not ok, and the first that is, by the paths of their files."""
    if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'pages'"):
        return {}  # a ledger of an older digitbox, opened to read
    found: dict[str, list[PageResult]] = {}
    for path, page, status, reason in ledger.execute(
        "SELECT path, page, status, reason FROM pages WHERE batch = ? ORDER BY rowid", (batch_id,)
    ):
        result = page, Status(status), None if reason is None else Reason(reason)
        found.setdefault(os.fsdecode(path), []).append(result)
    return found


def prepare(ledger: Ledger, batch: Batch) -> None:
    """Make a batch and its members part of the ledger, with all else in the open transaction."""
    ledger.execute(
        "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
        (batch.batch_id, batch.file, batch.sha256, batch.after.value, batch.state.value),
    )
    ledger.commit()


def set_state(ledger: Ledger, batch_id: str, state: State) -> None:
    """Write how far a batch has come."""
    ledger.execute("UPDATE batches SET state = ? WHERE batch = ?", (state.value, batch_id))


def delete(ledger: Ledger, batch_id: str) -> None:
    """Delete a batch with its members."""
    with ledger.transaction():
        ledger.execute("DELETE FROM members WHERE batch = ?", (batch_id,))
        ledger.execute("DELETE FROM pages WHERE batch = ?", (batch_id,))
        ledger.execute("DELETE FROM batches WHERE batch = ?", (batch_id,))


def find_published(ledger: Ledger, batch_id: str) -> Batch | None:
    """Return the batch of this identifier; None if this ledger has not published one."""
    rows = ledger.execute(
        f"SELECT {BATCH_COLUMNS} FROM batches WHERE batch = ? AND {IS_PUBLISHED}",  # noqa: S608
        (batch_id,),
    )
    return Batch.from_row(rows[0]) if rows else None


def number_of_file(ledger: Ledger, name: str) -> int:
    """Return the place of a file of results in the ledger, which knows it before digitbox publishes it.

    Returns:
        Files that came later have greater ones; 0 if the ledger does not know the file.
    """
    batch = names.batch_id(name), name
    rows = ledger.execute("SELECT rowid FROM batches WHERE batch = ? AND file = ?", batch)
    return rows[0][0] if rows else 0


def unfinished(ledger: Ledger) -> list[Batch]:
    """Return the batches that still have a step to go, the oldest first."""
    rows = ledger.execute(
        f"SELECT {BATCH_COLUMNS} FROM batches WHERE {_IS_UNFINISHED} ORDER BY rowid"  # noqa: S608
    )
    return [Batch.from_row(row) for row in rows]


def members(ledger: Ledger, batch_id: str) -> Iterator[Outcome]:
    """Yield the scans of a batch, without their digits; of several pages, the most serious outcome."""
    pages = pages_of(ledger, batch_id)
    rows = ledger.execute(
        f"SELECT {MEMBER_COLUMNS} FROM members WHERE batch = ? ORDER BY rowid",  # noqa: S608
        (batch_id,),
    )
    for outcome in map(outcome_of, rows):
        results = pages.get(outcome.ref.path, ())
        same = next((result for result in results if result[1] is outcome.status), None)
        yield outcome if same is None else outcome._replace(page=same[0], reason=same[2])


def unsettled(ledger: Ledger, refs: Sequence[ScanRef], attempts: int = 1) -> list[ScanRef]:
    """Return the scans that have no row.

    A scan has a row if path, size and modification time are those of the row, and inode and time of the last
    change are, too. If one of these differs, another scan may have taken the place of the first, or somebody
    has restored the file or changed its rights. Then digitbox compares its content with the row. The inode of
    an object in a store is its version there, and another one is another content.

    Args:
        ledger: The ledger of the outbox.
        refs: Some hundred identified scans. In the order of their paths, they are looked up together.
        attempts: How many rows with a failure that may pass (`TRANSIENT`) settle a scan.
    """
    if not refs:
        return []
    paths = os.fsencode("\0".join(ref.path for ref in refs)).split(b"\0")
    rows = Counter(_rows(ledger, paths))
    keys = {row[:3] for row in rows}
    new: list[ScanRef] = []
    same: list[tuple[int, int, int]] = []
    for ref, path in zip(refs, paths, strict=True):
        facts = path, ref.size_bytes, ref.mtime_ns, ref.inode, ref.ctime_ns
        if (*facts, 0) in rows or (is_remote(ref.path) and _has_row_without_version(rows, facts)):
            continue
        if facts[:3] not in keys:
            new.append(ref)
        elif rows[*facts, 1] < attempts:
            row = _row_of_content(ledger, ref, path)
            if row is None:
                new.append(ref)
            else:
                same.append((ref.inode, ref.ctime_ns, row))
    if same and not ledger.is_read_only:  # so that the next run need not read them
        with ledger.transaction():
            ledger.execute_many("UPDATE members SET inode = ?, ctime_ns = ? WHERE rowid = ?", same)
    return new


def _has_row_without_version(rows: Counter[_Row], facts: _Facts) -> bool:
    """Return whether an object has a row, and the store gave no version for the row or gives none now."""
    if facts[3]:
        return (*facts[:3], 0, 0, 0) in rows
    return any(row[:3] == facts[:3] and not row[5] for row in rows)


def has_row(ledger: Ledger, path: str) -> bool:
    """Return whether any scan at an absolute path has a row."""
    return bool(ledger.execute("SELECT 1 FROM members WHERE path = ? LIMIT 1", (os.fsencode(path),)))


def not_awaiting_disposal(ledger: Ledger, refs: Iterable[ScanRef]) -> list[ScanRef]:
    """Return the scans but those that have their row, and that digitbox has still to move or delete."""
    return [ref for ref in refs if not _awaits_disposal(ledger, ref)]


def _awaits_disposal(ledger: Ledger, ref: ScanRef) -> bool:
    """Return whether this very file has its row, and digitbox has still to move or delete it."""
    rows = ledger.execute(
        "SELECT inode, members.sha256 FROM members JOIN batches USING (batch) WHERE path = ? "  # noqa: S608
        f"AND size_bytes = ? AND mtime_ns = ? AND {_IS_UNFINISHED} AND after != ?",
        (os.fsencode(ref.path), ref.size_bytes, ref.mtime_ns, After.LEAVE.value),
    )
    if any(inode == ref.inode for inode, _ in rows):
        return True
    digests = {sha256 for _, sha256 in rows} - {""}
    return bool(digests) and digest_if_readable(ref.path) in digests


def _row_of_content(ledger: Ledger, ref: ScanRef, path: bytes) -> int | None:
    """Return the number of a row that settles a scan by its content; None if there is none."""
    rows = ledger.execute(
        "SELECT rowid, sha256 FROM members WHERE path = ? AND size_bytes = ? AND mtime_ns = ? "  # noqa: S608
        f"AND sha256 != '' AND NOT {_IS_TRANSIENT}",
        (path, ref.size_bytes, ref.mtime_ns),
    )
    content = digest_if_readable(ref.path) if rows else ""
    return next((number for number, sha256 in rows if sha256 == content), None)


def _rows(ledger: Ledger, paths: list[bytes]) -> list[_Row]:
    """Return the rows of these paths and maybe of others; the last value is 1 for a failure that may pass."""
    limit = MAX_ROWS_PER_PATH * len(paths)
    rows = ledger.execute(f"{_FIND_ROWS} path BETWEEN ? AND ? LIMIT ?", (min(paths), max(paths), limit))
    if len(rows) < limit:
        return rows
    # Very many other paths lie between these.
    return [row for path in {*paths} for row in ledger.execute(f"{_FIND_ROWS} path = ?", (path,))]


def _member(outcome: Outcome) -> tuple[Any, ...]:
    ref = outcome.ref
    return (
        os.fsencode(ref.path),
        os.fsencode(ref.name),
        ref.size_bytes,
        ref.mtime_ns,
        ref.inode,
        os.fsencode(ref.source),
        ref.ctime_ns,
        outcome.sha256,
        outcome.status.value,
        _reason_of(outcome),
        outcome.extra,
    )


def _reason_of(outcome: Outcome) -> str | None:
    return None if outcome.reason is None else outcome.reason.value
