"""The order of files of results: that in which digitbox published them."""

import os
import secrets
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

import digitbox
from batch.errors import InputError
from batch.outbox import published_files
from batch.outbox.export import PublishedRows, RowFilter
from batch.outbox.ledger import open_ledger
from batch.records import Reason, Status
from batch.report import rows
from batch.report.live import LiveRows
from batch.report.pictures import Models
from batch.results import names
from published import NOON, make_old, outcome, publish, scan


@pytest.mark.parametrize("ids", [("ffffffff", "00000000"), ("00000000", "ffffffff")])
@pytest.mark.parametrize("formats", [("csv", "csv"), ("csv", "parquet"), ("parquet", "csv")])
def test_files_of_one_second_keep_their_order(
    ids: tuple[str, str], formats: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = scan(tmp_path / "scans", "a.png")
    outbox = tmp_path / "out"
    published = []
    read = outcome(ref, Status.REVIEW, 1, Reason.LOW_CONFIDENCE), outcome(ref)
    for row, batch_id, format_name in zip(read, ids, formats, strict=True):
        monkeypatch.setattr(secrets, "token_hex", lambda _, batch_id=batch_id: batch_id)
        published.append(publish(outbox, [row], format_name=format_name))
    for second, path in enumerate(published):  # a coarse clock gives both the same time
        os.utime(path, (second, second))
    assert names.find(outbox) == published
    assert digitbox.read_results(outbox)["status"].tolist() == ["review", "ok"]
    (entry,) = rows.collect(rows.find_sources([outbox])).entries
    assert entry.status is Status.OK


def test_a_clock_that_was_set_back_changes_no_order(tmp_path: Path) -> None:
    """The ledger has the order; without one, the names tell as much as they can."""
    ref = scan(tmp_path / "scans", "a.png")
    outbox = tmp_path / "out"
    published = []
    for label, days in ((1, 0), (2, 2), (3, 3)):
        published.append(publish(outbox, [outcome(ref, label=label)], now=NOON - timedelta(days=days)))
        if label == 1:
            live_rows = LiveRows(outbox, "Anna", Models())
    assert rows.find_sources([outbox]) == published
    assert digitbox.read_results(outbox)["prediction"].tolist() == [1, 2, 3]
    (entry,) = rows.collect(rows.find_sources([outbox])).entries
    assert entry.row.prediction == 3
    assert live_rows.changes(0, 0)["columns"]["prediction"] == [1, 2, 3]
    live_rows.close()
    shutil.rmtree(outbox / ".digitbox")
    assert rows.find_sources([outbox]) == published[::-1]


@pytest.mark.parametrize("has_ledger", [True, False])
def test_copies_and_foreign_files_are_no_results(
    has_ledger: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(published_files._log, "warning", said.append)
    outbox = tmp_path / "out"
    path = publish(outbox, [outcome(scan(tmp_path / "scans", "a.png"))])
    for name in ("predictions-1 (Kopie).csv", f"{path.stem} (2).csv", f"{path.stem}.csv.bak"):
        (outbox / name).write_bytes(path.read_bytes())
    (outbox / "predictions-foreign.csv").write_text("a,b\n1,2\n")
    if not has_ledger:
        shutil.rmtree(outbox / ".digitbox")
    for sources in (digitbox.read_results(outbox)["file"].tolist(), rows.find_sources([outbox])):
        assert len(sources) == 1
    others = f"left out of {outbox}: 3 files that digitbox did not publish there"
    assert said == [f"{others}, e.g. predictions-1 (Kopie).csv"] * 2
    path.unlink()
    with pytest.raises(InputError, match="no results in"):
        rows.find_sources([outbox])


def test_results_of_another_outbox_count_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger does not know them, whatever their name."""
    said: list[str] = []
    monkeypatch.setattr(published_files._log, "warning", said.append)
    outbox = tmp_path / "out"
    path = publish(outbox, [outcome(scan(tmp_path / "scans", "a.png"))])
    live_rows = LiveRows(outbox, "Anna", Models())
    foreign = publish(tmp_path / "other", [outcome(scan(tmp_path / "scans", "b.png"))])
    shutil.copy2(foreign, outbox)
    assert digitbox.read_results(outbox)["file"].tolist() == ["a.png"]
    assert rows.find_sources([outbox]) == [path]
    with open_ledger(outbox, read_only=True) as ledger:
        exported = PublishedRows(ledger, outbox, RowFilter())
        exported.check_files()
        assert [row["file"] for _, row in exported.rows()] == ["a.png"]
    assert (
        said == [f"left out of {outbox}: 1 file that digitbox did not publish there, e.g. {foreign.name}"] * 2
    )
    live_rows.refresh()
    assert live_rows.changes(0, 0)["columns"]["file"] == ["a.png"]
    live_rows.close()
    assert len(digitbox.read_results([outbox, outbox / foreign.name])) == 2  # a file counts if you name it


def test_a_copy_of_an_outbox_gives_the_same_rows(tmp_path: Path) -> None:
    """Without its ledger, and with files of older versions."""
    path = publish(tmp_path / "out", [outcome(scan(tmp_path / "scans", "a.png"))])
    old = make_old(publish(tmp_path / "out", [outcome(scan(tmp_path / "scans", "b.png"))]))
    (tmp_path / "copy").mkdir()
    for file in (path, old):
        shutil.copy2(file, tmp_path / "copy")
    assert sorted(digitbox.read_results(tmp_path / "copy")["file"]) == ["a.png", "b.png"]


def test_a_file_that_vanishes_meanwhile_is_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "predictions-20260102T120000Z-b00000000.csv"
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    assert names.find(tmp_path) == []
