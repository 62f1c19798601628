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
from batch.text import inner_text_cell, text_cell

ALL_COLUMNS = (*schema.COLUMNS, *schema.PROBABILITY_COLUMNS, "page", "source")
NOON = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
IN_X = ScanRef("/x/a.png", "a.png", source="/x")
READ = Outcome(IN_X, Status.OK, None, "ab" * 32, 3, 0.98765432, (0.1,) * 10)
FAILED = Outcome(ScanRef("/x/b", 'b,"c', source="/x"), Status.FAILED, Reason.TRUNCATED, "cd" * 32)


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
    assert tuple(head) == ALL_COLUMNS
    of_batch = ["b1", "m-1", "2026-01-02T12:00:00Z"]
    assert first == ["a.png", "3", "0.987654", "ok", "", "ab" * 32, *of_batch, *["0.100000"] * 10, "", "/x"]
    assert second == ['b,"c', "", "", "failed", "truncated", "cd" * 32, *of_batch, *[""] * 10, "", "/x"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a;=1+1.png", '"a;=1+1.png"'),
        ("a,b.png", '"a,b.png"'),
        ('a"b.png', '"a""b.png"'),
        ("a\tb.png", "a\\x09b.png"),
        ("a b|c.png", "a b|c.png"),
        ("ä.png", "ä.png"),
    ],
)
def test_names_that_a_spreadsheet_would_split_are_quoted(tmp_path: Path, name: str, written: str) -> None:
    line = line_of(tmp_path / "t.csv", ScanRef("/x/a", name, source="/x"))
    assert line.startswith(f"{written},3,")
    assert line.endswith(",,/x\n")


@pytest.mark.parametrize("cell", ["a;b", "a,b", "a\tb", 'a"b', "a\nb", "a\rb"])
def test_any_cell_that_would_split_is_quoted(cell: str) -> None:
    file = io.StringIO()
    writers.CsvWriter(file, ["one", "two"]).add([cell, None])
    assert file.getvalue() == 'one,two\n"' + cell.replace('"', '""') + '",\n'


@given(st.lists(st.lists(st.none() | st.text() | st.integers(), min_size=2, max_size=2)))
def test_the_csv_module_reads_what_was_written(table: list[list[str | int | None]]) -> None:
    file = io.StringIO(newline="")
    writer = writers.CsvWriter(file, ["one", "two"])
    for row in table:
        writer.add(row)
    file.seek(0)
    cells = [["" if cell is None else str(cell) for cell in row] for row in table]
    assert list(csv.reader(file)) == [["one", "two"], *cells]


@pytest.mark.parametrize(
    ("source", "cell"),
    [
        ("/x;y", "/x;y"),
        ("/x;=1;y", "/x;'=1;y"),
        ('/x; "=1', "/x;' \"=1"),
        ("/x;;@a;-b", "/x;;'@a;'-b"),
        ("s3://b/;\uff1d1", "s3://b/;'\uff1d1"),
    ],
)
def test_no_formula_begins_after_a_semicolon(source: str, cell: str) -> None:
    assert inner_text_cell(source) == cell


HOSTILE = st.text(st.sampled_from(";,=+-@\uff1d\"' \tax/\u202e\u3000")) | st.text()


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_locale_makes_a_formula_of_a_line(
    tmp_path_factory: pytest.TempPathFactory, name: str, source: str, model: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    line = line_of(path, ScanRef("/x/a", name, source=source), model)
    for delimiter in ",;\t":
        (cells,) = csv.reader([line], delimiter=delimiter)
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\uff1d")) for cell in cells)


def line_of(path: Path, ref: ScanRef, model: str = "m-1") -> str:
    """Write one row; return its line."""
    table = writers.ResultsFile(path, "b1", model, False)
    table.add([READ._replace(ref=ref)], NOON)
    table.close()
    return path.read_bytes().decode().split("\n", 1)[1]


def test_parquet_has_the_same_columns_typed(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra parquet")
    table = writers.ResultsFile(tmp_path / "t.parquet", "b1", "m-1", True)
    table.add([READ, FAILED], NOON)
    table.close()
    read = pq.ParquetFile(tmp_path / "t.parquet").read()
    assert tuple(read.column_names) == ALL_COLUMNS
    assert read["prediction"].to_pylist() == [3, None]
    assert read["confidence"].to_pylist() == [READ.confidence, None]
    assert read["processed_at"].to_pylist() == [NOON, NOON]
    assert read["reason"].to_pylist() == [None, "truncated"]
    assert read["p0"].to_pylist() == [0.1, None]
    assert read["page"].to_pylist() == [None, None]
    assert read["source"].to_pylist() == ["/x", "/x"]


def test_a_missing_extra_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "pyarrow" else sys)
    schema.check_format("csv")
    with pytest.raises(MissingExtraError, match=r"pip install 'digitbox\[parquet\]'"):
        schema.check_format("parquet")


def test_columns_that_digitbox_does_not_know_keep_an_order() -> None:
    """A newer digitbox may have written them."""
    others = ["zebra", "anna", "mouse", "bird", "yak", "cow"]
    expected = [*schema.COLUMNS, "p3", "page", "source", *sorted(others), schema.NUMBER_COLUMN]
    assert schema.order_columns([schema.NUMBER_COLUMN, *others, "p3", *schema.COLUMNS]) == expected
