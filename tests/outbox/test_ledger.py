import os
from contextlib import closing
from pathlib import Path

import pytest

from batch.errors import InputError, LedgerError
from batch.outbox.ledger import Ledger, has_ledger, open_ledger

ADD_RUN = "INSERT INTO runs VALUES (?, 0, '')"


def runs(ledger: Ledger) -> list[str]:
    return [run for (run,) in ledger.execute("SELECT run FROM runs ORDER BY rowid")]


def test_a_transaction_changes_all_or_nothing(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        with pytest.raises(KeyboardInterrupt), ledger.transaction():
            ledger.execute(ADD_RUN, ["a"])
            raise KeyboardInterrupt
        with ledger.transaction():
            assert ledger.execute_many(ADD_RUN, [["b"], ["c"]]) == 2
        assert runs(ledger) == ["b", "c"]


def test_begin_goes_on_with_an_open_transaction(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        for run in ("a", "b"):
            ledger.begin()
            ledger.execute(ADD_RUN, [run])
        ledger.commit()
        ledger.rollback()  # nothing is open any more
        ledger.begin()
        ledger.execute(ADD_RUN, ["c"])
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        assert runs(ledger) == ["a", "b"]


def test_a_snapshot_stays_while_another_writes(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as writer, closing(Ledger(tmp_path, read_only=True)) as reader:
        reader.hold_snapshot()
        assert runs(reader) == []
        writer.execute(ADD_RUN, ["a"])
        assert (runs(reader), runs(writer)) == ([], ["a"])


def test_a_ledger_of_a_newer_digitbox_is_refused(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        ledger.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="a newer digitbox"):
        Ledger(tmp_path)


def test_an_outbox_with_and_without_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no outbox"):
        has_ledger(tmp_path / "gone")
    assert not has_ledger(tmp_path)
    os.mkdir(tmp_path / ".digitbox")
    with open_ledger(tmp_path):
        assert has_ledger(tmp_path)
