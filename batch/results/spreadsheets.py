"""Writers of results for spreadsheets: Excel's own files, and CSV for Excel in most countries of Europe."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any

from batch.clock import iso
from batch.results.schema import NUMBER_COLUMN

MAX_SHEET_ROWS = 1 << 20  # of a sheet of Excel, with the line of column names
_WIDE = {"file": 40, "sha256": 20, "processed_at": 19, "source": 40, "scan": 10}  # columns, in characters
PICTURE_PX = 64  # longer side of a picture
_TIME = "yyyy-mm-dd hh:mm:ss"
_CONFIDENCE = "0.000000"


class ExcelWriter:
    """A writer of Excel's files, with numbers, times in UTC and text; text is never a formula or a link.

    Bytes are a picture in PNG, which makes its row as high as it needs. A sheet of Excel has at most
    1,048,576 lines, so further rows go to further sheets.

    Args:
        target: The file, open and empty.
        names: The columns, in order.
    """

    def __init__(self, target: IO[bytes], names: Sequence[str]) -> None:
        import xlsxwriter

        self._book = xlsxwriter.Workbook(target, {"constant_memory": True})  # it writes row by row
        self._names = names
        self._bold = self._book.add_format({"bold": True})
        self._time = self._book.add_format({"num_format": _TIME})
        self._number = self._book.add_format({"num_format": _CONFIDENCE})
        self._begin_sheet()

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""
        if self._line == MAX_SHEET_ROWS:
            self._begin_sheet()
        for column, value in enumerate(row):
            if isinstance(value, str):
                self._sheet.write_string(self._line, column, value)
            elif isinstance(value, datetime):
                self._sheet.write_datetime(self._line, column, value.replace(tzinfo=None), self._time)
            elif isinstance(value, bytes):
                self._add_picture(column, value, str(row[0]))
            elif isinstance(value, float):
                self._sheet.write_number(self._line, column, value, self._number)
            elif value is not None:
                self._sheet.write_number(self._line, column, value)
        self._line += 1

    def close(self) -> None:
        """Write what is still in memory.

        Raises:
            OSError: The file cannot be written.
        """
        from xlsxwriter.exceptions import XlsxFileError

        try:
            self._book.close()
        except XlsxFileError as error:
            cause = error.args[0] if error.args else None
            raise cause if isinstance(cause, OSError) else OSError(str(error)) from error

    def _add_picture(self, column: int, png: bytes, words: str) -> None:
        self._sheet.set_row_pixels(self._line, PICTURE_PX + 2)
        self._sheet.insert_image(
            self._line,
            column,
            "scan.png",
            {
                "image_data": io.BytesIO(png),
                "x_offset": 1,
                "y_offset": 1,
                "object_position": 1,  # it moves and shrinks with its cell, so that rows can be sorted
                "description": words,  # for screen readers
            },
        )

    def _begin_sheet(self) -> None:
        number = len(self._book.worksheets()) + 1
        self._sheet = self._book.add_worksheet("results" if number == 1 else f"results {number}")
        self._sheet.freeze_panes(1, 0)
        for column, name in enumerate(self._names):
            self._sheet.set_column(column, column, _WIDE.get(name, 12))
            self._sheet.write_string(0, column, name, self._bold)
        self._line = 1


class ExcelEuWriter:
    """A writer of CSV for Excel where a comma is the decimal mark: a byte order mark, semicolons, and commas.

    Args:
        file: Receives the text; the caller opens and closes it.
        names: The columns, in order.
    """

    def __init__(self, file: IO[str], names: Sequence[str]) -> None:
        file.write("\ufeff")
        self._rows = csv.writer(file, delimiter=";", lineterminator="\r\n")
        self._rows.writerow(names)
        self._names = names

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""
        self._rows.writerow(
            [
                value.replace(".", ",") if value and name == NUMBER_COLUMN else _cell(value)
                for name, value in zip(self._names, row, strict=True)
            ]
        )

    def close(self) -> None:
        """Do nothing: the caller closes the file."""


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.6f}".replace(".", ",")
    return iso(value) if isinstance(value, datetime) else value
