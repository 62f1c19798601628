"""What people said of scans that were read: who, when, what; kept in the ledger, and never changed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path

from batch.locations import STATE
from batch.outbox import ledger
from batch.outbox.ledger import Batch, Ledger, State
from batch.records import After

NONE = "none"  # as a correction: not a digit


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of one row of published results.

    Attributes:
        batch: of the row.
        file: of the row, escaped as it is there.
        sha256: of the row.
        said: what the model had said: 0 to 9, or the reason why it gave no digit.
        corrected: what the person says: 0 to 9, or `NONE`.
        corrected_by: the person.
        reviewed_at: when the person looked; UTC, ISO 8601.
        applied_at: when it was applied; likewise.
    """

    batch: str
    file: str
    sha256: str
    said: str
    corrected: str
    corrected_by: str
    reviewed_at: str
    applied_at: str


def open_read_only(outbox: Path) -> closing[Ledger] | None:
    """The ledger of an outbox, to look at, to be used with `with`; None where there is none.

    Raises:
        LedgerError: it is damaged.
        OutboxError: it cannot be opened.
    """
    folder = outbox / STATE
    return closing(Ledger(folder, read_only=True)) if ledger.exists(folder) else None


def find_batch(known: Ledger, batch_id: str) -> Batch | None:
    """The batch of this identifier, if it was published with this ledger."""
    rows = known.execute(
        "SELECT batch, file, sha256, after, state FROM batches WHERE batch = ? AND state != ?",
        (batch_id, State.PREPARED.value),
    )
    return next(
        (Batch(name, file, sha256, After(after), State(state)) for name, file, sha256, after, state in rows),
        None,
    )


def corrections_of(known: Ledger, batch_id: str) -> dict[tuple[str, str], Correction]:
    """The corrections that count for a batch, by file and SHA-256 of the row."""
    if not known.execute("SELECT 1 FROM sqlite_master WHERE name = 'corrections'"):
        return {}  # a ledger of an older digitbox, opened to read
    rows = known.execute(
        "SELECT batch, file, sha256, said, corrected, corrected_by, reviewed_at, applied_at FROM corrections "
        "WHERE batch = ? ORDER BY rowid",
        (batch_id,),
    )
    return {(row[1], row[2]): Correction(*row) for row in rows}


def add(known: Ledger, corrections: Iterable[Correction]) -> None:
    """Notes corrections; within a transaction, all of them or none."""
    for one in corrections:
        known.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?)", astuple(one))
