"""Exports for spreadsheets, read again by other programs."""

import csv
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
from batch.records import After, ScanRef, Status
from batch.results import reader, schema, spreadsheets
from batch.results.corrected import EFFECTIVE_COLUMNS
from command import Digitbox
from digitbox import read_results
from published import outcome, publish, scan

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
    assert list(columns) == [*schema.COLUMNS, *schema.ORIGIN_COLUMNS, *EFFECTIVE_COLUMNS]
    assert columns["file"] == tuple(frame["file"])
    assert columns["prediction"] == (*range(8), None)
    assert columns["confidence"] == (*[0.25] * 8, None)
    assert columns["processed_at"] == (datetime(2026, 1, 2, 12),) * 9
    assert columns["batch"] == tuple(frame["batch"])


def test_excel_gets_digits_among_numbers_as_text(digitbox: Digitbox, tmp_path: Path) -> None:
    digit, number = (ScanRef("", name, source="/in") for name in ("7.png", "042.png"))
    publish(tmp_path / "outbox", [outcome(digit, label=7)])
    row = outcome(number)._replace(label="042", digit_confidences=(0.5, 0.5, 0.5))
    publish(tmp_path / "outbox", [row], with_numbers=True)
    assert digitbox("export", "--format", "xlsx", "--output", "all.xlsx").code == 0
    (rows,) = sheets(tmp_path / "all.xlsx")
    assert [row[1] for row in rows] == ["prediction", "7", "042"]


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


@pytest.mark.parametrize("after", [After.LEAVE, After.MOVE])
def test_excel_shows_the_scans_that_are_not_ok(after: After, digitbox: Digitbox, tmp_path: Path) -> None:
    refs = [scan(tmp_path / "in", f"{place}.png", size=(30, 40 * place + 40)) for place in range(5)]
    rows = [
        outcome(refs[0]),
        outcome(refs[1], Status.REVIEW),
        outcome(refs[2], Status.REFUSED, None),
        outcome(ScanRef(str(tmp_path / "in" / "gone.png"), "gone.png", source="/in"), Status.FAILED, None),
        outcome(refs[3], Status.REVIEW),
        outcome(refs[4], Status.REVIEW),
    ]
    publish(tmp_path / "outbox", rows, after=after)
    next(tmp_path.rglob("3.png")).write_bytes(b"changed")
    for most, last in ((9, None), (2, "no picture: give more --pictures")):
        arguments = ["--format", "xlsx", "--pictures", str(most), "--output", f"{most}.xlsx"]
        assert digitbox("export", *arguments).code == 0
        (cells,) = sheets(tmp_path / f"{most}.xlsx")
        changed = "no picture: changed" if most == 9 else last
        shown = ["scan", None, None, None, "no picture: unread" if most == 9 else last, changed, last]
        assert [row[-1] for row in cells] == shown
        sheet = openpyxl.load_workbook(tmp_path / f"{most}.xlsx").active
        assert sheet is not None
        places = [image.anchor._from.row for image in sheet._images]
        assert places == ([2, 3, 6] if most == 9 else [2, 3])
        assert [(image.width, image.height) for image in sheet._images[:2]] == [(24, 64), (16, 64)]
        assert sheet.row_dimensions[3].height == 49.5  # points
        assert sheet.row_dimensions[2].height is None
    for arguments in (["--pictures", "1"], ["--pictures", "0", "--format", "xlsx"]):
        assert digitbox("export", *arguments, "--output", "no").code == 2
    (tmp_path / "empty").mkdir()
    assert (
        digitbox("export", *arguments[2:], "--pictures", "1", "--output", "e", "--outbox", "empty").code == 0
    )


def test_excel_of_europe_gets_semicolons_and_commas(digitbox: Digitbox, tmp_path: Path) -> None:
    path = make(tmp_path)
    digitbox("export", "--dialect", "excel-eu", "--output", "all.csv")
    content = (tmp_path / "all.csv").read_bytes()
    assert content.startswith("\ufefffile;prediction;confidence;".encode())
    assert b";0,250000;" in content and b"0.250000" not in content
    assert read_results(tmp_path / "all.csv").equals(read_results(path))
    assert digitbox("export", "--dialect", "excel-eu").out.encode() == content


def test_excel_of_europe_gets_commas_in_each_digit(digitbox: Digitbox, tmp_path: Path) -> None:
    numbers = {"7": (0.5,), "042": (0.25, 0.5, 1.0)}
    rows = [
        outcome(ScanRef("", f"{number}.png", source="/in"))._replace(label=number, digit_confidences=sure)
        for number, sure in numbers.items()
    ]
    path = publish(tmp_path / "outbox", rows, with_numbers=True)
    digitbox("export", "--dialect", "excel-eu", "--output", "all.csv")
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file, delimiter=";"))
    assert [row["digit_confidences"] for row in table] == ["0,500000", "0,250000;0,500000;1,000000"]
    assert [row.digit_confidences for row in reader.read(tmp_path / "all.csv")] == [*numbers.values()]
    assert read_results(tmp_path / "all.csv").equals(read_results(path))


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
