from contextlib import closing
from pathlib import Path

from batch.outbox import corrections
from batch.outbox.corrections import Correction
from batch.outbox.ledger import Ledger


def correction(file: str, label: str, batch: str = "b1") -> Correction:
    return Correction(
        batch, file, "0" * 64, "7", label, "Anna", "2026-01-02T13:00:00Z", "2026-01-02T14:00:00Z"
    )


def test_the_last_correction_of_a_row_counts(tmp_path: Path) -> None:
    a, b = correction("a", "4"), correction("b", "5")
    with closing(Ledger(tmp_path)) as ledger, ledger.transaction():
        corrections.add(ledger, [correction("a", "3"), b, correction("a", "1", "b2"), a])
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        assert corrections.corrections_of(ledger, "b1") == {("a", a.sha256): a, ("b", b.sha256): b}
        assert corrections.corrections_of(ledger, "b3") == {}
