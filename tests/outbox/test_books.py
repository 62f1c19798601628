"""`digitbox status --deep`: whether the ledger and the outbox balance."""

import json
import shutil
from pathlib import Path

import pytest

from batch.outbox.books import Books, describe
from command import Digitbox
from formats import FORMATS, two

TWO = FORMATS["png-8"](two())


@pytest.fixture
def outbox(digitbox: Digitbox, tmp_path: Path) -> Path:
    for number in range(2):
        (tmp_path / "inbox").mkdir(exist_ok=True)
        (tmp_path / "inbox" / f"{number}.png").write_bytes(TWO)
        assert digitbox("run", "--after", "move", "--settle", "0").code == 0
    return tmp_path / "outbox"


def test_thousands_have_commas() -> None:
    books = Books(files=1100, taken=1200, scans=1300, removed=1400)
    assert describe(books) == (
        "1,100 files of results as published, 1,200 taken away; "
        "1,300 scans in done/ and failed/, 1,400 removed"
    )


def test_the_books_balance(digitbox: Digitbox, outbox: Path) -> None:
    first, _ = sorted(outbox.glob("*.csv"))
    first.unlink()
    shutil.rmtree(next((outbox / "done").glob("*/*")))
    result = digitbox("status", "--deep")
    assert (result.code, "all is well" in result.out) == (0, True)
    assert (
        "1 file of results as published, 1 taken away; 1 scan in done/ and failed/, 1 removed" in result.out
    )


def test_what_does_not_balance_is_named(digitbox: Digitbox, outbox: Path) -> None:
    first, second = sorted(outbox.glob("*.csv"))
    first.write_bytes(first.read_bytes() + b"x")
    copy = outbox / "predictions-20260101T000000Z-b00000000.csv"
    shutil.copy(second, copy)
    stray = outbox / "done" / "2026-01-01" / "b00000001"
    stray.mkdir(parents=True)
    result = digitbox("status", "--deep", "--json")
    report = json.loads(result.out)
    assert result.code == 1
    assert report["problems"] == report["books"]["problems"]
    for path, problem in zip((first, copy, stray), report["problems"], strict=True):
        assert path.name in problem
    assert digitbox("status").code == 0


def test_only_an_outbox_on_a_disk_has_books(digitbox: Digitbox) -> None:
    result = digitbox("status", "--deep", "--outbox", "s3://bucket/results")
    assert (result.code, "--deep is for an outbox on a disk" in result.err) == (2, True)
