"""What people said of scans that were read: who, when and what; the ledger never changes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass

from batch.outbox.ledger import Ledger

NONE = "none"  # as a correction: not a digit


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of one row of published results.

    Attributes:
        batch: The batch of the row.
        file: The name in the row, escaped as it is there.
        sha256: The digest in the row.
        said: What the model had said: 0 to 9, or the reason why it gave no digit.
        corrected: What the person says: 0 to 9, or `NONE`.
        corrected_by: The person.
        reviewed_at: When the person looked at the scan; UTC, ISO 8601.
        applied_at: When digitbox applied the correction; UTC, ISO 8601.
    """

    batch: str
    file: str
    sha256: str
    said: str
    corrected: str
    corrected_by: str
    reviewed_at: str
    applied_at: str


def corrections_of(ledger: Ledger, batch_id: str) -> dict[tuple[str, str], Correction]:
    """Return the last correction of each row of a batch, by file and SHA-256 of the row."""
    if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'corrections'"):
        return {}  # a ledger of an older digitbox, opened to read
    rows = ledger.execute(
        "SELECT batch, file, sha256, said, corrected, corrected_by, reviewed_at, applied_at FROM corrections "
        "WHERE batch = ? ORDER BY rowid",
        (batch_id,),
    )
    return {(row[1], row[2]): Correction(*row) for row in rows}


def add(ledger: Ledger, corrections: Iterable[Correction]) -> None:
    """Add corrections; call it in a transaction, so that the ledger gets all of them or none."""
    ledger.execute_many("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?)", map(astuple, corrections))
