"""The corrections of an outbox: who said what of which scan, and when. digitbox only ever adds to them.

They have a file of their own beside the ledger. A run writes to the ledger in transactions that last as long
as it takes to read a batch, and a person's answer must not wait for that.

A scan may have several names, see `renamed`. An answer to one of them is one to all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import astuple, fields, replace
from pathlib import Path

from batch.locations import Location, state_folder
from batch.outbox import renamed, settled
from batch.outbox.batches import SEVERITY, PageResult
from batch.outbox.ledger import LEDGER, Ledger, Schema, has_tables
from batch.outbox.renamed import FormerNames
from batch.records import Outcome, Reason, Status
from batch.results.corrected import OF_DIGITS, OF_NUMBERS, OPEN, Correction, Corrections, effect
from batch.results.scan_keys import ScanNames
from batch.storage.durable import make_folder
from batch.text import text_cell

CORRECTIONS = Schema(
    "corrections.sqlite3",
    (
        """
CREATE TABLE corrections (
    file TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    page INTEGER,
    source TEXT NOT NULL,
    said TEXT NOT NULL,
    corrected TEXT NOT NULL,
    corrected_by TEXT NOT NULL,
    reviewed_at TEXT NOT NULL,
    applied_at TEXT NOT NULL,
    comment TEXT NOT NULL
);
""",
    ),
    "without it, what people said of scans does not count",
)
_COLUMNS = tuple(field.name for field in fields(Correction))
_OLD_COLUMNS = tuple(name for name in _COLUMNS if name not in ("page", "source", "comment"))


class CorrectionStore:
    """The open corrections of an outbox; several processes may write to them at once.

    Attributes:
        current: The last correction of each scan, as of the last `refresh`.

    Args:
        outbox: The outbox, with results in it.
        read_only: Open them to look at; an outbox without corrections stays as it is.

    Raises:
        LedgerError: The file is damaged, or of a newer digitbox.
        OutboxError: The file cannot be opened or made.
    """

    def __init__(self, outbox: Location, *, read_only: bool = False) -> None:
        self._folder = folder = state_folder(outbox)
        self.current = Corrections(_old_corrections(folder))
        self._last = 0
        self._table: Ledger | None = None
        if not read_only:
            make_folder(folder)
        if not read_only or has_tables(folder, CORRECTIONS):
            self._table = Ledger(folder, read_only=read_only, schema=CORRECTIONS)
        try:
            self.refresh()
        except BaseException:
            self.close()
            raise

    def refresh(self) -> list[Correction]:
        """Return the corrections that were added since the last call, the oldest first.

        Raises:
            OutboxError: Somebody replaced the file.
        """
        if self._table is None:
            return []
        self._table.check_in_place()
        rows = self._table.execute(
            f"SELECT rowid, {', '.join(_COLUMNS)} FROM corrections WHERE rowid > ? ORDER BY rowid",  # noqa: S608
            (self._last,),
        )
        added = [Correction(**dict(zip(_COLUMNS, row[1:], strict=True))) for row in rows]
        for correction in added:
            self.current.add(correction)
        self._last = rows[-1][0] if rows else self._last
        return added

    def add(self, corrections: Sequence[Correction]) -> None:
        """Add corrections, all of them or none, also for other names of the scans.

        They are on the disk when this returns.

        Raises:
            LedgerError: The ledger is damaged.
            OutboxError: The disk is full, somebody replaced the file, or another process holds it for long.
        """
        assert self._table is not None
        if has_tables(self._folder, LEDGER):
            with closing(Ledger(self._folder, read_only=True)) as ledger:
                others = _under_other_names(corrections, renamed.load(ledger))
            given = {(each.file, each.sha256, each.page) for each in corrections}
            others = [each for each in others if (each.file, each.sha256, each.page) not in given]
            corrections = [*corrections, *others]
        marks = ", ".join("?" * len(_COLUMNS))
        with self._table.transaction():
            self._table.execute_many(
                f"INSERT INTO corrections ({', '.join(_COLUMNS)}) VALUES ({marks})",  # noqa: S608
                map(astuple, corrections),
            )

    def close(self) -> None:
        """Close the file."""
        if self._table is not None:
            self._table.close()


def load(outbox: Location) -> Corrections:
    """Return what people said of the scans of an outbox; nothing if it has no corrections.

    Raises:
        LedgerError: A file is damaged, or of a newer digitbox.
        OutboxError: A file cannot be read.
    """
    store = CorrectionStore(outbox, read_only=True)
    store.close()
    return store.current


def carry_over(outbox: Location, former_names: FormerNames) -> None:
    """Give scans with new names the answers that they had under their former ones.

    Raises:
        OutboxError: The disk is full.
    """
    new_names: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    for (source, file, sha256), former in former_names.items():
        new_names[source, former, sha256].append(file)
    if new_names and (answers := _under_other_names(load(outbox), new_names)):
        with closing(CorrectionStore(outbox)) as store:
            store.add(answers)


def _under_other_names(corrections: Iterable[Correction], scan_names: ScanNames) -> list[Correction]:
    """Return the corrections as ones of the other names of their scans."""
    others: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for (source, file, sha256), names in scan_names.items():
        others[file, sha256] += ((source, name) for name in names if name != file)
    return [
        replace(correction, file=name)
        for correction in corrections
        for source, name in others.get((correction.file, correction.sha256), ())
        if not source or correction.source in (source, "")
    ]


def correct_outcome(outcome: Outcome, corrections: Corrections) -> Outcome:
    """Return the outcome of a scan or a page, with the status and the reason that a person gave it."""
    # Older rows have no source. Bytes and name are the same, so the answer is right for any.
    correction = corrections.find(text_cell(outcome.ref.name), outcome.page or None, outcome.sha256, "")
    if correction is None or correction.corrected == OPEN:
        return outcome
    # The ledger does not have what was read. The scan may have been read otherwise since the answer.
    is_number = outcome.reason in OF_NUMBERS or (correction.has_number and outcome.reason not in OF_DIGITS)
    status, reason = effect(correction.corrected, with_numbers=is_number)
    return outcome._replace(status=status, reason=reason)


def correct_results(
    outcome: Outcome, pages: Sequence[PageResult], corrections: Corrections
) -> set[tuple[Status, Reason | None]]:
    """Return each status that a scan or a page of it has, with the reason; a person's answer goes first.

    Args:
        outcome: The outcome of the scan, from the ledger.
        pages: If it has several pages, those that are not ok, and the first that is.
        corrections: What people said.
    """
    if not pages:
        pages = [(0, outcome.status, outcome.reason)]
    results = {
        page: outcome._replace(page=page, status=status, reason=reason) for page, status, reason in pages
    }
    for page in corrections.pages(text_cell(outcome.ref.name), outcome.sha256):
        # A page without a result here is one more ok page.
        results.setdefault(page, outcome._replace(page=page, status=Status.OK, reason=None))
    corrected = [correct_outcome(result, corrections) for result in results.values()]
    return {(result.status, result.reason) for result in corrected}


def count_by_status(ledger: Ledger, corrections: Corrections) -> dict[Status, int]:
    """Return the number of scans by effective status; the last row of each scan counts.

    A scan of several pages has the most serious status of a page.
    """
    counts = dict.fromkeys(Status, 0) | settled.count_by_status(ledger)
    for outcome, pages in settled.last_members(ledger, corrections.digests):
        statuses = {status for status, _ in correct_results(outcome, pages, corrections)}
        counts[outcome.status] -= 1
        counts[min(statuses, key=SEVERITY.__getitem__)] += 1
    return counts


def _old_corrections(folder: Path) -> Iterable[Correction]:
    """Return the corrections in the ledger, where digitbox had them before; they have no source."""
    if not has_tables(folder, LEDGER):
        return []
    with closing(Ledger(folder, read_only=True)) as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'corrections'"):
            return []
        rows = ledger.execute(f"SELECT {', '.join(_OLD_COLUMNS)} FROM corrections ORDER BY rowid")  # noqa: S608
        return [Correction(**dict(zip(_OLD_COLUMNS, row, strict=True))) for row in rows]
