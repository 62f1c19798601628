import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batch.errors import InputError, LedgerError, OutboxError
from batch.outbox import batches, renamed
from batch.outbox.corrections import CORRECTIONS
from batch.outbox.ledger import LEDGER, Ledger, Schema, has_ledger, open_ledger
from batch.records import Outcome, ScanRef, Status

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


def test_a_ledger_that_another_process_holds_is_not_damaged(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as first, closing(Ledger(tmp_path)) as second:
        second.execute("PRAGMA busy_timeout = 0")
        first.begin()
        with pytest.raises(OutboxError, match="database is locked; make room or give another --outbox"):
            second.begin()


def test_a_ledger_of_a_newer_digitbox_is_refused(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        ((version,),) = ledger.execute("PRAGMA user_version")
        ledger.execute(f"PRAGMA user_version = {version + 1}")
    with pytest.raises(LedgerError, match="a newer digitbox"):
        Ledger(tmp_path)


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "sign",
    [
        "predictions-20260102T120000Z-b61ac8f02.csv",
        "predictions-20260102T120000Z-b61ac8f02.parquet",
        ".digitbox/ledger.sqlite3-wal",
    ],
)
def test_an_empty_ledger_of_a_used_outbox_is_damaged(tmp_path: Path, sign: str, read_only: bool) -> None:
    state = tmp_path / ".digitbox"
    state.mkdir()
    (tmp_path / sign).write_text("content")
    (state / "ledger.sqlite3").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LedgerError, match="it is empty"):
        Ledger(state, read_only=read_only)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_ledger_of_an_unused_outbox_is_new(tmp_path: Path) -> None:
    (tmp_path / ".digitbox").mkdir()
    (tmp_path / ".digitbox" / "ledger.sqlite3").touch()  # a kill came after SQLite had made it
    (tmp_path / "notes.csv").write_text("other")
    with closing(Ledger(tmp_path / ".digitbox")) as ledger:
        assert runs(ledger) == []


@pytest.mark.parametrize("is_begun", [False, True])
@pytest.mark.parametrize("schema", [LEDGER, CORRECTIONS])
def test_a_file_in_the_making_reads_as_an_empty_one(tmp_path: Path, schema: Schema, is_begun: bool) -> None:
    """A first run is about to make the tables, or a kill came before."""
    path = tmp_path / schema.file
    with closing(sqlite3.connect(path)) as connection:
        if is_begun:
            connection.execute("PRAGMA journal_mode = WAL")
    path.touch()
    before = path.read_bytes()
    with closing(Ledger(tmp_path, read_only=True, schema=schema)) as ledger:
        ledger.hold_snapshot()
        tables = {name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert all(ledger.execute(f"SELECT COUNT(*) FROM {name}") == [(0,)] for name in tables)
    assert tables == {"corrections"} if schema is CORRECTIONS else {"batches", "members", "runs"} < tables
    assert path.read_bytes() == before


def test_tables_without_a_version_are_not_taken_for_none(tmp_path: Path) -> None:
    """As of a ledger that somebody restored from a dump."""
    with closing(Ledger(tmp_path)) as ledger:
        ledger.execute(ADD_RUN, ["a"])
        ledger.execute("PRAGMA user_version = 0")
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        assert runs(ledger) == ["a"]


def test_a_ledger_that_lost_its_log_is_damaged(tmp_path: Path) -> None:
    """A copy of a used outbox without it has no tables."""
    (tmp_path / ".digitbox").mkdir()
    (tmp_path / "predictions-20260102T120000Z-b61ac8f02.csv").touch()
    path = tmp_path / ".digitbox" / LEDGER.file
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with pytest.raises(LedgerError, match="it has no tables"):
        Ledger(tmp_path / ".digitbox", read_only=True)


@pytest.mark.parametrize("version", range(1, len(LEDGER.steps) + 1))
def test_members_of_each_version_can_be_read(tmp_path: Path, version: int) -> None:
    """Who only looks cannot bring the tables up to date."""
    facts = {"batch": "b1", "path": b"/in/a", "name": b"a", "size_bytes": 1, "mtime_ns": 2, "inode": 3}
    row = {**facts, "sha256": "5", "status": "ok"}
    with closing(Ledger(tmp_path, schema=LEDGER._replace(steps=LEDGER.steps[:version]))) as ledger:
        marks = ", ".join("?" * len(row))
        ledger.execute(f"INSERT INTO members ({', '.join(row)}) VALUES ({marks})", list(row.values()))
    expected = [Outcome(ScanRef("/in/a", "a", 1, 2, 3), Status.OK, None, "5")]
    for read_only in (True, False):
        with closing(Ledger(tmp_path, read_only=read_only)) as ledger:
            assert list(batches.members(ledger, "b1")) == expected


def test_a_long_look_sees_names_after_an_upgrade(tmp_path: Path) -> None:
    """A review goes on while a run brings the tables up to date."""
    with closing(Ledger(tmp_path, schema=LEDGER._replace(steps=LEDGER.steps[:6]))):
        pass
    with closing(Ledger(tmp_path, read_only=True)) as reader:
        assert renamed.load(reader) == {}
        with closing(Ledger(tmp_path)) as writer:
            writer.execute("INSERT INTO renamed VALUES ('/in', 'a-2.png', '5', 'a.png')")
        both = {"a.png", "a-2.png"}
        assert renamed.load(reader) == {("/in", name, "5"): both for name in both}


def test_an_outbox_with_and_without_a_ledger(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no outbox"):
        has_ledger(tmp_path / "gone")
    assert not has_ledger(tmp_path)
    os.mkdir(tmp_path / ".digitbox")
    with open_ledger(tmp_path):
        assert has_ledger(tmp_path)
