"""Tests of retry: which scans are new again, and what the command says."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pdfs
from batch.outbox import batches, settled
from batch.outbox.ledger import open_ledger
from batch.outbox.prune import Limits, prune_outbox
from batch.outbox.retry import RetryResult, ScanFilter, retry_scans
from command import Digitbox
from formats import FORMATS, two
from published import make_old, open_outbox
from scan_folders import fill, names

TWO = FORMATS["png-8"](two())


def test_scans_left_in_their_place_are_new(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO, bad=TWO[:60])
    digitbox("run")
    before = {path: path.read_bytes() for path in Path("outbox").glob("*.csv")}
    assert digitbox("run", "--only-new").rows == []
    result = digitbox("retry")
    assert (result.code, result.out) == (0, "")
    assert result.err == (
        "1 scan is new; read with digitbox run INPUT --only-new, or digitbox watch INBOX; "
        "name INPUT or INBOX as before, and --digits if you gave it\n"
    )
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["bad.png"]
    assert {path: path.read_bytes() for path in before} == before


def test_thousands_of_scans_are_counted_with_commas(
    digitbox: Digitbox, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(inbox, good=TWO)
    digitbox("run")
    monkeypatch.setattr("batch.cli.retry.retry_scans", lambda *_: RetryResult(brought_back=1200))
    assert digitbox("retry").err.startswith("1,200 scans are new, 1,200 of them back")


def test_batches_of_older_versions_are_retried_and_pruned(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO, bad=TWO[:60])
    (path,) = digitbox("run").out.splitlines()
    old = make_old(Path(path))
    assert digitbox("retry").err.startswith("1 scan is new")
    assert [row["file"] for row in digitbox("run", "--only-new").rows] == ["bad.png"]
    old.unlink()
    for name in ("good", "bad"):
        (inbox / f"{name}.png").unlink()
    fill(inbox, other=TWO)
    assert prune_outbox(Path("outbox"), Limits(*2 * [datetime(2999, 1, 1, tzinfo=UTC)])).batches == 1
    with open_ledger(Path("outbox"), read_only=True) as ledger:
        assert not batches.find_published(ledger, old.stem.split("-")[-1])


def test_a_choice_by_status_reason_time_and_place(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox / "a", half=TWO[:60], text=b"text", good=TWO)
    fill(inbox / "b", half=TWO[:60])
    digitbox("run", "--after", "move", "--settle", "0")

    def chosen(*arguments: str) -> list[str]:
        return sorted(
            line.split("/", 4)[-1] for line in digitbox("retry", "--dry-run", *arguments).out.split()
        )

    assert chosen() == ["a/half.png", "a/text.png", "b/half.png"]
    assert chosen("--status", "ok") == ["a/good.png"]
    assert chosen("--reason", "not_an_image", "--reason", "empty") == ["a/text.png"]
    assert chosen("--status", "ok", "--reason", "truncated") == []
    assert chosen("--since", "1h", "--until", "2100-01-01") == chosen("--since", "1d") == chosen()
    assert chosen("--until", "2020-01-01") == chosen("--since", "2100-01-01") == []
    assert chosen("inbox/b") == ["b/half.png"]
    assert chosen("inbox/a/good.png") == ["a/good.png"]
    (moved,) = Path("outbox/failed").glob("*/*/b/half.png")
    assert chosen(str(moved)) == chosen(str(moved.parent)) == ["b/half.png"]
    assert len(chosen("outbox/failed")) == 3
    assert chosen("inbo") == []
    assert names(inbox) == []


def test_only_the_last_row_of_a_scan_counts(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, good=TWO)
    digitbox("run", "--review-below", "1")
    digitbox("run", "--review-below", "0.1")
    assert "nothing to retry" in digitbox("retry", "--status", "review").err
    assert digitbox("retry", "--status", "ok").code == 0
    assert len(digitbox("run", "--only-new").rows) == 1


def test_gone_and_changed_scans_are_counted(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox, one=TWO[:60], two=TWO[:70], three=TWO[:80])
    digitbox("run")
    (inbox / "one.png").unlink()
    fill(inbox, two=b"changed")
    result = digitbox("retry")
    assert "1 scan is new" in result.err
    assert "2 scans more cannot be read again" in result.err


def test_no_outbox_no_ledger_and_another_digitbox(digitbox: Digitbox, tmp_path: Path) -> None:
    result = digitbox("retry")
    assert (result.code, len(result.err.splitlines())) == (4, 1)
    (tmp_path / "outbox").mkdir()
    assert digitbox("retry").code == 0
    assert list((tmp_path / "outbox").iterdir()) == []
    with open_outbox(tmp_path / "outbox"):
        result = digitbox("retry")
        assert (result.code, "a run, prune or retry is at work" in result.err) == (75, True)
        assert digitbox("retry", "--dry-run").code == 0
    (tmp_path / "outbox" / ".digitbox" / "ledger.sqlite3").write_bytes(b"x" * 4096)
    assert digitbox("retry").code == 8


def test_the_outbox_of_digitbox_toml(digitbox: Digitbox, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "digitbox.toml").write_text('outbox = "results"\n')
    fill(inbox, bad=b"text")
    digitbox("run")
    assert digitbox("retry", "--dry-run").out == f"{inbox}/bad.png\n"


def test_printed_names_are_escaped(digitbox: Digitbox, inbox: Path) -> None:
    fill(inbox)
    with open(os.fsencode(inbox) + b"/a\n\x1b[31m\xff.png", "wb") as file:
        file.write(b"text")
    digitbox("run", "--after", "move", "--settle", "0")
    assert digitbox("retry", "--dry-run").out.endswith("/a\\x0a\\x1b[31m\\xff.png\n")
    assert digitbox("retry").code == 0
    assert os.listdir(os.fsencode(inbox)) == [b"a\n\x1b[31m\xff.png"]


def test_the_ledger_forgets_scans_in_chunks(
    digitbox: Digitbox, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settled, "TURN_S", 0)
    for number in range(7):
        fill(inbox, **{str(number): b"text"})
    digitbox("run")
    assert retry_scans(tmp_path / "outbox", ScanFilter()).in_place == 7
    assert len(digitbox("run", "--only-new").rows) == 7


def test_a_file_is_retried_for_any_of_its_pages(digitbox: Digitbox, inbox: Path) -> None:
    inbox.mkdir(parents=True, exist_ok=True)
    (inbox / "cards.pdf").write_bytes(
        pdfs.write(pdfs.scan(two()), pdfs.PdfPage(20, 10, ""), pdfs.scan(two()))
    )
    assert [row["status"] for row in digitbox("run").rows] == ["ok", "refused", "ok"]
    assert digitbox("run", "--only-new").rows == []
    assert digitbox("retry", "--status", "failed").err.startswith("nothing to retry")
    assert digitbox("retry", "--reason", "blank").err.startswith("1 scan is new")
    assert [row["page"] for row in digitbox("run", "--only-new").rows] == ["1", "2", "3"]


def test_a_file_with_a_failed_page_goes_to_failed(digitbox: Digitbox, inbox: Path) -> None:
    inbox.mkdir(parents=True, exist_ok=True)
    data = pdfs.write(pdfs.scan(two()), pdfs.scan(two(side=2000)))
    (inbox / "cards.pdf").write_bytes(data)
    run = digitbox("run", "--after", "move", "--max-pixels", "1000000", "--settle", "0")
    assert run.code == 3 and [row["reason"] for row in run.rows] == ["", "too_large"]
    (why,) = Path("outbox/failed").rglob("*.json")
    assert '"page": 2' in why.read_text() and '"too_large"' in why.read_text()
    assert digitbox("retry").err.startswith("1 scan is new")
    assert (inbox / "cards.pdf").read_bytes() == data
