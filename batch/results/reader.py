"""Readers of files of results, and of tables that a spreadsheet may have saved anew."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from batch.clock import as_utc, iso
from batch.errors import InputError, MissingExtraError
from batch.lengths import NUMBER
from batch.records import Status
from batch.results.schema import COLUMNS, NUMBER_COLUMN, PROBABILITY_COLUMNS, Record
from batch.results.writers import ROWS_PER_GROUP
from batch.text import count

_AS_WRITTEN = "name a file as digitbox wrote it"
_DELIMITERS = ",;\t"  # spreadsheets put one of these between cells, by country


def _number(cell: str) -> float:
    """Read a number, which a spreadsheet of many countries writes with a comma."""
    return float(cell.replace(",", "."))


def _time(cell: str) -> datetime:
    """Read a time, from which a spreadsheet may have taken its zone, UTC."""
    return as_utc(datetime.fromisoformat(cell))


_PARSERS: dict[str, Callable[[str], Any]] = {
    "confidence": _number,
    "processed_at": _time,
    "page": int,
    **dict.fromkeys(PROBABILITY_COLUMNS, _number),
    NUMBER_COLUMN: lambda cell: cell.replace(",", "."),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of results, as it was published.

    Attributes:
        file: The name of the scan, escaped.
        prediction: The digit, 0 to 9; the number as text, with its leading zeros, in results with numbers;
            None if there is none.
        confidence: The calibrated probability of the prediction, 0 to 1; None if there is none.
        status: What became of the scan.
        reason: Why the status is not ok; empty if it is.
        sha256: The digest of the bytes that were read; empty if none could be read.
        batch: The batch that it was published with.
        model: The version of the model.
        processed_at: When it was read; UTC, ISO 8601.
        probabilities: The probabilities of the ten digits; empty if the results do not have them.
        page: The page of the file, from 1; None for a file with one page, and in results of older versions.
        source: The folder, bucket or root of a glob that the scan was found in, absolute and escaped; empty
            in results of older versions.
        digit_confidences: Those of the digits of a number, empty without one; None in results of single
            digits.
    """

    file: str
    prediction: int | str | None
    confidence: float | None
    status: Status
    reason: str
    sha256: str
    batch: str
    model: str
    processed_at: str
    probabilities: tuple[float, ...] = ()
    page: int | None = None
    source: str = ""
    digit_confidences: tuple[float, ...] | None = None

    @property
    def has_number(self) -> bool:
        """Return whether the row is one of results with numbers."""
        return self.digit_confidences is not None


def read(path: Path) -> Iterator[Row]:
    """Yield the rows of a file of results, which a spreadsheet may have saved.

    Raises:
        InputError: The path cannot be read, or is no file of results.
        MissingExtraError: The file is Parquet, and the extra is not installed.
    """
    records = _parquet(path) if _is_parquet(path) else table(path, COLUMNS)
    for number, record in records:
        try:
            row = _row(record)
        except ValueError as error:
            raise _line_error(path, number, error) from error
        yield row


def columns(path: Path) -> list[str]:
    """Return the columns of a file of results.

    Raises:
        InputError: The path cannot be read, or is no file of results.
        MissingExtraError: The file is Parquet, and the extra is not installed.
    """
    if _is_parquet(path):
        with _open_parquet(path) as file:
            return list(file.schema_arrow.names)
    with _open_csv(path) as lines:
        return _names(path, lines, COLUMNS)


def records(path: Path) -> Iterator[Record]:
    """Yield the rows of a file of results as it was published, with all of its columns.

    Raises:
        InputError: The path cannot be read, or is no file of results.
        MissingExtraError: The file is Parquet, and the extra is not installed.
    """
    if _is_parquet(path):
        for number, record in _parquet(path):
            try:
                record["prediction"] = _prediction(record)
            except ValueError as error:
                raise _line_error(path, number, error) from error
            yield record
        return
    parsers: list[Callable[[str], Any]] = []
    for number, names, cells in _lines(path, COLUMNS):
        parsers = parsers or [_PARSERS.get(name, str) for name in names]
        try:
            record = {
                name: parse(cell) if cell else None
                for name, parse, cell in zip(names, parsers, cells, strict=True)
            }
            record["prediction"] = _prediction(record)
        except (ValueError, OverflowError) as error:
            raise _line_error(path, number, error) from error
        yield record


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines of a CSV by column, with the number that each has in an editor.

    A spreadsheet may have saved it: with a byte order mark, with semicolons or tabs, or with other line ends.

    Args:
        path: The CSV.
        columns: The columns that it must have; it may have more.

    Raises:
        InputError: The path cannot be read, is no CSV, or lacks a column.
    """
    for number, names, cells in _lines(path, columns):
        yield number, dict(zip(names, cells, strict=True))


def _line_error(path: Path, number: int, error: Exception) -> InputError:
    return InputError(f"{path}, line {number}: {error}; {_AS_WRITTEN}")


def _row(record: Record) -> Row:
    prediction = _prediction(record)
    confidence = None if record["confidence"] in ("", None) else _number(str(record["confidence"]))
    if confidence is not None and not 0 <= confidence <= 1:  # false for nan, too
        raise ValueError(f"{record['confidence']!r} is no confidence")
    processed_at = record["processed_at"]
    values = tuple(
        _number(str(record[name])) for name in PROBABILITY_COLUMNS if record.get(name) not in ("", None)
    )
    return Row(
        str(record["file"]),
        prediction,
        confidence,
        Status(record["status"]),
        record["reason"] or "",
        record["sha256"] or "",
        str(record["batch"]),
        str(record["model"]),
        iso(processed_at) if isinstance(processed_at, datetime) else str(processed_at),
        values if len(values) == len(PROBABILITY_COLUMNS) and all(0 <= p <= 1 for p in values) else (),
        None if record.get("page") in ("", None) else int(record["page"]),
        record.get("source") or "",
        _digit_confidences(record),
    )


def _digit_confidences(record: Record) -> tuple[float, ...] | None:
    if NUMBER_COLUMN not in record:
        return None
    cell = record[NUMBER_COLUMN] or ""
    return tuple(map(_number, cell.split(";"))) if cell else ()


def _prediction(record: Record) -> int | str | None:
    prediction = record["prediction"]
    if prediction in ("", None):
        return None
    if NUMBER_COLUMN in record:
        return _checked_number(str(prediction), record[NUMBER_COLUMN] or "")
    digit = int(prediction)
    if not 0 <= digit <= 9:
        raise ValueError(f"{prediction!r} is no digit")
    return digit


def _checked_number(text: str, confidences: str) -> str:
    """Return the number of a row.

    Raises:
        ValueError: It is none, or its digits are not as many as their confidences.
    """
    digits = confidences.count(";") + 1 if confidences else len(text)  # a person's number has none
    if NUMBER.fullmatch(text) and len(text) == digits:
        return text
    words = f" of {count(digits, 'digit')}: a spreadsheet may have taken text for numbers"
    raise ValueError(f"{text!r} is no number{words if confidences else ''}")


def _lines(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield the number, the columns and the cells of each line of a CSV that has cells."""
    with _open_csv(path) as lines:
        names = _names(path, lines, columns)
        previous_end = lines.line_num
        for cells in lines:
            number, previous_end = previous_end + 1, lines.line_num
            if not any(cells):
                continue
            if len(cells) != len(names):
                raise InputError(
                    f"{path}, line {number}: {len(cells)} cells under {len(names)} columns; {_AS_WRITTEN}"
                )
            yield number, names, cells


def delimiter(line: str) -> str:
    """Return what stands between the cells of a line of a CSV."""
    return max(_DELIMITERS, key=line.count)


@contextmanager
def _open_csv(path: Path) -> Iterator[Any]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            yield csv.reader(file, delimiter=delimiter(header), strict=True)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}; name one that is there") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; allow it, or name another") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}): save it as that") from error


def _names(path: Path, lines: Iterator[list[str]], required: Sequence[str]) -> list[str]:
    names = [name.strip() for name in next(lines, [])]
    _check_columns(path, names, required)
    return names


def _check_columns(path: Path, names: Sequence[str], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in names]
    if missing:
        raise InputError(f"{path} has no column {missing[0]}: {_AS_WRITTEN}")


def _is_parquet(path: Path) -> bool:
    return path.suffix == ".parquet"


def _parquet(path: Path) -> Iterator[tuple[int, Record]]:
    with _open_parquet(path) as file:
        _check_columns(path, file.schema_arrow.names, COLUMNS)
        number = itertools.count(1)
        for group in file.iter_batches(ROWS_PER_GROUP):
            yield from zip(number, group.to_pylist(), strict=False)


@contextmanager
def _open_parquet(path: Path) -> Iterator[Any]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "parquet") from error
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}; name one that is there") from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}; {_AS_WRITTEN}") from error
