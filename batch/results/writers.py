"""Writers of results: one for CSV and one for Parquet, and the file of a batch that is made with them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from batch.clock import iso
from batch.records import Outcome
from batch.results.schema import COLUMNS, NUMBER_COLUMN, ORIGIN_COLUMNS, PROBABILITY_COLUMNS, parquet_schema
from batch.text import inner_text_cell, text_cell

ROWS_PER_GROUP = 10_000  # rows of Parquet that are in memory at a time
_NO_PROBABILITIES = (None,) * len(PROBABILITY_COLUMNS)


class Writer(Protocol):
    """A writer of one format; a row has a value for each column, with the types of Parquet, or None."""

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""

    def close(self) -> None:
        """Write what is still in memory."""


class CsvWriter:
    """A writer of CSV by RFC 4180, but with newlines at the line ends.

    It quotes each cell that a spreadsheet of any country would split: one with a comma, a semicolon or a tab.

    Args:
        file: Receives the text; the caller opens and closes it.
        names: The columns, in order.
    """

    def __init__(self, file: IO[str], names: Sequence[str]) -> None:
        self._write = file.write
        self.add(names)

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""
        cells = [value if type(value) is str else _cell(value) for value in row]
        line = ",".join(cells)
        # Most lines have nothing to quote. These searches are faster than a look at each cell.
        if (
            line.count(",") >= len(cells)
            or ";" in line
            or '"' in line
            or "\t" in line
            or "\n" in line
            or "\r" in line
        ):
            line = ",".join(map(_quoted, cells))
        self._write(line + "\n")

    def close(self) -> None:
        """Do nothing: the caller closes the file."""


# How CSV writes a value of these types; all else by `str`. Most rows have the time of the row before.
_CELLS: dict[type, Callable[[Any], str]] = {
    type(None): lambda _: "",
    float: "{:.6f}".format,
    datetime: functools.lru_cache(maxsize=1)(iso),
}
_SPLITS = re.compile('[,;\t"\r\n]')


def _cell(value: object) -> str:
    return _CELLS.get(type(value), str)(value)


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if _SPLITS.search(cell) else cell


class ParquetWriter:
    """A writer of Apache Parquet, with types and nulls.

    Args:
        target: The open file, or its path.
        names: The columns, in order.
    """

    def __init__(self, target: Path | IO[bytes], names: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self._schema = parquet_schema(names)
        self._writer = pq.ParquetWriter(target, self._schema)
        self._waiting: list[Sequence[Any]] = []

    def add(self, row: Sequence[Any]) -> None:
        """Write one row."""
        self._waiting.append(row)
        if len(self._waiting) >= ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Write what is still in memory."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._waiting:
            columns = [
                pa.array(map(_as_text, values) if field.type == pa.string() else values, field.type)
                for values, field in zip(zip(*self._waiting, strict=True), self._schema, strict=True)
            ]
            self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
            self._waiting = []


def _as_text(value: object) -> str | None:
    """Return a value for a column of text; a column that is not known may hold others."""
    return value if value is None or isinstance(value, str) else str(value)


class ResultsFile:
    """The file of a batch, while rows are added to it.

    Attributes:
        rows: The number of rows so far.

    Args:
        path: The file, which must not exist; its suffix names the format.
        batch_id: Identifies the batch, for its column.
        model: The version of the model, for its column.
        with_probabilities: Add the columns p0 to p9.
        with_numbers: Add the column of the confidences of a number's digits.

    Raises:
        FileExistsError: There is such a file.
        OSError: The file cannot be written.
    """

    def __init__(
        self, path: Path, batch_id: str, model: str, with_probabilities: bool, with_numbers: bool = False
    ) -> None:
        self.rows = 0
        self._batch_id, self._model = batch_id, inner_text_cell(model)
        self._source = self._source_cell = ""  # of the last row; the next mostly has the same
        self._with_probabilities, self._with_numbers = with_probabilities, with_numbers
        names = COLUMNS + (PROBABILITY_COLUMNS if with_probabilities else ()) + ORIGIN_COLUMNS
        names += (NUMBER_COLUMN,) if with_numbers else ()
        self._file: IO[Any]
        self._writer: Writer
        if path.suffix == ".parquet":
            self._file = path.open("xb", buffering=0)
            self._writer = ParquetWriter(self._file, names)
        else:
            self._file = path.open("x", encoding="utf-8", newline="")
            self._writer = CsvWriter(self._file, names)

    def add(self, outcomes: Iterable[Outcome], processed_at: datetime) -> None:
        """Write a row for each outcome.

        Args:
            outcomes: One for each page of each scan.
            processed_at: The time for the column, UTC.
        """
        for outcome in outcomes:
            if outcome.ref.source != self._source:
                self._source = outcome.ref.source
                self._source_cell = inner_text_cell(self._source)
            row: tuple[Any, ...] = (
                text_cell(outcome.ref.name),
                outcome.label,
                outcome.confidence,
                outcome.status.value,
                outcome.reason and outcome.reason.value,
                outcome.sha256 or None,
                self._batch_id,
                self._model,
                processed_at,
            )
            if self._with_probabilities:
                row += outcome.probabilities or _NO_PROBABILITIES
            row += outcome.page or None, self._source_cell
            if self._with_numbers:
                row += (";".join(map("{:.6f}".format, outcome.digit_confidences)) or None,)
            self._writer.add(row)
            self.rows += 1

    def close(self) -> None:
        """Write what is still in memory, and close the file."""
        try:
            self._writer.close()
        finally:
            self._file.close()
