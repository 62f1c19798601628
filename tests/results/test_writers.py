import csv
import io
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import MissingExtraError
from batch.records import Outcome, Reason, ScanRef, Status
from batch.results import schema, writers
from batch.text import text_cell

NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
READ = Outcome(ScanRef("/x/a.png", "a.png"), Status.OK, None, "ab" * 32, 3, 0.98765432, (0.1,) * 10)
FAILED = Outcome(ScanRef("/x/b", 'b,"c'), Status.FAILED, Reason.TRUNCATED, "cd" * 32)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a b.png", "a b.png"),
        ("=cmd|' /C calc'!A0.png", "'=cmd|' /C calc'!A0.png"),
        ("+1.png", "'+1.png"),
        ("-1.png", "'-1.png"),
        ("@a", "'@a"),
        (" =1.png", "' =1.png"),
        (" a.png", " a.png"),
        ("\u061ca", "\\u061ca"),
        ("\uff1d1", "'\uff1d1"),
        ("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"),
        ("\udcff.png", "\\xff.png"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("\x85", "\\x85"),
        ("Zürich/7.png", "Zürich/7.png"),
        ("", ""),
    ],
)
def test_names_are_made_safe(name: str, cell: str) -> None:
    assert text_cell(name) == cell


@given(st.text())
def test_cells_are_printable_and_no_formulas(name: str) -> None:
    cell = text_cell(name)
    cell.encode("utf-8")
    assert not cell.startswith(("=", "+", "-", "@"))
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in cell)


def test_csv(tmp_path: Path) -> None:
    table = writers.ResultsFile(tmp_path / "t.csv", "b1", "m-1", True)
    table.add([READ, FAILED], NOON)
    table.close()
    text = (tmp_path / "t.csv").read_bytes().decode("utf-8")
    assert "\r" not in text and text.endswith("\n")
    head, first, second = csv.reader(io.StringIO(text))
    assert tuple(head) == schema.COLUMNS + schema.PROBABILITY_COLUMNS
    stamp = "2026-01-02T12:00:00Z"
    assert first == ["a.png", "3", "0.987654", "ok", "", "ab" * 32, "b1", "m-1", stamp, *["0.100000"] * 10]
    assert second == ['b,"c', "", "", "failed", "truncated", "cd" * 32, "b1", "m-1", stamp, *[""] * 10]


def test_parquet_has_the_same_columns_typed(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    table = writers.ResultsFile(tmp_path / "t.parquet", "b1", "m-1", True)
    table.add([READ, FAILED], NOON)
    table.close()
    read = pq.ParquetFile(tmp_path / "t.parquet").read()
    assert tuple(read.column_names) == schema.COLUMNS + schema.PROBABILITY_COLUMNS
    assert read["prediction"].to_pylist() == [3, None]
    assert read["confidence"].to_pylist() == [READ.confidence, None]
    assert read["processed_at"].to_pylist() == [NOON, NOON]
    assert read["reason"].to_pylist() == [None, "truncated"]
    assert read["p0"].to_pylist() == [0.1, None]


def test_a_missing_extra_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else sys)
    schema.check_format("csv")
    with pytest.raises(MissingExtraError, match=r"pip install 'digitbox\[parquet\]'"):
        schema.check_format("parquet")
