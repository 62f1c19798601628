"""Exports for spreadsheets, read again by other programs."""

import errno
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError

from batch.errors import MissingExtraError
from batch.records import ScanRef, Status
from batch.results import schema, spreadsheets
from batch.results.corrected import CORRECTED
from command import Digitbox
from digitbox import read_results
from published import outcome, publish

NAMES = ("=1+1.png", "http://a/b.png", "007.png", "a;b,c.png", '"q".png', "ä.png", "1e5", "{=1}")


def make(tmp_path: Path) -> Path:
    """Publish a row for each name, and one without a digit; return the file."""
    refs = [ScanRef("", name, source="/in") for name in NAMES]
    rows = [outcome(ref, label=place, sure=0.25) for place, ref in enumerate(refs)]
    return publish(tmp_path / "outbox", [*rows, outcome(refs[0], Status.FAILED, None)])


def sheets(path: Path) -> list[list[tuple[object, ...]]]:
    book = openpyxl.load_workbook(path)
    cells = [cell for sheet in book for row in sheet for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    return [list(sheet.values) for sheet in book]


def test_excel_gets_every_cell_with_its_type(digitbox: Digitbox, tmp_path: Path) -> None:
    path = make(tmp_path)
    assert digitbox("export", "--format", "xlsx", "--output", "all.xlsx").code == 0
    (rows,) = sheets(tmp_path / "all.xlsx")
    names, *rows = rows
    columns = dict(zip(map(str, names), zip(*rows, strict=True), strict=True))
    frame = read_results(path)
    assert list(columns) == [*schema.COLUMNS, *schema.ORIGIN_COLUMNS, CORRECTED]
    assert columns["file"] == tuple(frame["file"])
    assert columns["prediction"] == (*range(8), None)
    assert columns["confidence"] == (*[0.25] * 8, None)
    assert columns["processed_at"] == (datetime(2026, 1, 2, 12),) * 9
    assert columns["batch"] == tuple(frame["batch"])


def test_more_rows_than_a_sheet_has_go_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheets, "MAX_SHEET_ROWS", 3)
    with (tmp_path / "a.xlsx").open("wb") as file:
        writer = spreadsheets.ExcelWriter(file, ["file", "page"])
        for page in range(5):
            writer.add(["a", page])
        writer.close()
    contents = sheets(tmp_path / "a.xlsx")
    assert [len(rows) for rows in contents] == [3, 3, 2]
    assert [row[1] for rows in contents for row in rows[1:]] == [0, 1, 2, 3, 4]
    assert {rows[0] for rows in contents} == {("file", "page")}


def test_excel_of_europe_gets_semicolons_and_commas(digitbox: Digitbox, tmp_path: Path) -> None:
    path = make(tmp_path)
    digitbox("export", "--dialect", "excel-eu", "--output", "all.csv")
    content = (tmp_path / "all.csv").read_bytes()
    assert content.startswith("\ufefffile;prediction;confidence;".encode())
    assert b";0,250000;" in content and b"0.250000" not in content
    assert read_results(tmp_path / "all.csv").equals(read_results(path))
    assert digitbox("export", "--dialect", "excel-eu").out.encode() == content


def test_wrong_options_say_what_to_do(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)
    result = digitbox("export", "--format", "xlsx")
    assert (result.code, result.err) == (
        2,
        "digitbox: xlsx cannot be written to stdout: give --output FILE\n",
    )
    result = digitbox("export", "--format", "parquet", "--dialect", "excel-eu", "--output", "a.parquet")
    assert result.code == 2
    assert result.err == "digitbox: --dialect is for CSV, not for parquet: leave it out\n"
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        MissingExtraError, match=r"--format xlsx needs the extra 'excel': pip install 'digitbox\[excel\]'"
    ):
        schema.check_format("xlsx")


def test_a_full_disk_is_an_error_of_the_output(
    digitbox: Digitbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path)

    close = xlsxwriter.Workbook.close

    def fail(book: Any) -> None:
        close(book)
        raise FileCreateError(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))

    monkeypatch.setattr(xlsxwriter.Workbook, "close", fail)
    result = digitbox("export", "--format", "xlsx", "--output", "all.xlsx")
    assert result.code == 6
    assert "cannot write all.xlsx: No space left on device; make room" in result.err
    assert not (tmp_path / "all.xlsx").exists()
