from contextlib import closing
from pathlib import Path

import pytest

from batch.outbox import corrections
from batch.outbox.corrections import Correction
from batch.outbox.ledger import Batch, Ledger, State
from batch.records import After


def correction(file: str, label: str, batch: str = "b1") -> Correction:
    return Correction(
        batch, file, "0" * 64, "7", label, "Anna", "2026-01-02T13:00:00Z", "2026-01-02T14:00:00Z"
    )


def test_of_the_corrections_of_a_row_the_last_one_counts(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as known:
        last = [correction("a", "4"), correction("b", "5")]
        with known.transaction():
            corrections.add(known, [correction("a", "3"), last[1], correction("a", "1", "b2"), last[0]])
    with closing(Ledger(tmp_path, read_only=True)) as known:
        assert corrections.corrections_of(known, "b1") == {(one.file, one.sha256): one for one in last}
        assert corrections.corrections_of(known, "b3") == {}


def test_all_or_none(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as known:
        with pytest.raises(KeyboardInterrupt), known.transaction():
            corrections.add(known, [correction("a", "3")])
            raise KeyboardInterrupt
        assert corrections.corrections_of(known, "b1") == {}


def test_only_what_was_published_is_a_batch(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as known:
        batch = Batch("b1", "predictions-b1.csv", "0" * 64, After.LEAVE, State.PREPARED)
        known.add("b1", [])
        known.prepare(batch)
        assert corrections.find_batch(known, "b1") is None
        known.mark("b1", State.RETIRED)
        assert corrections.find_batch(known, "b1") is not None


def test_where_there_is_no_ledger(tmp_path: Path) -> None:
    assert corrections.open_read_only(tmp_path) is None
