"""The columns of the results, and the two formats they are written in."""

from __future__ import annotations

import csv
import importlib.util
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from batch.errors import MissingExtraError
from batch.records import Outcome

COLUMNS = (
    "file",
    "prediction",
    "confidence",
    "status",
    "reason",
    "sha256",
    "batch",
    "model",
    "processed_at",
)
PROBABILITY_COLUMNS = tuple(f"p{digit}" for digit in range(10))
FORMATS = ("csv", "parquet")

ROWS_PER_GROUP = 10_000  # of Parquet

_PLAIN = re.compile(r"[A-Za-z0-9_./-][\x21-\x7e ]*")
# Spreadsheets run a cell that begins so as a formula; the full-width signs too, in East Asian locales.
_FORMULA_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


Record = dict[str, Any]
"""A row by column, with the types of Parquet; None where there is nothing."""


class Table(Protocol):
    """A file of results that is being written."""

    rows: int

    def add(self, outcomes: Iterable[Outcome], processed_at: datetime) -> None:
        """Writes a row for each."""

    def close(self) -> None:
        """Writes what is still in memory."""


def text_cell(text: str) -> str:
    """Makes a file name safe to write, to print and to open in a spreadsheet.

    Args:
        text: with undecodable bytes as surrogates.

    Returns:
        The text with control characters, undecodable bytes and marks that turn the direction of writing as
        `\\x0a`, `\\xff` or `\\u202e`, and with an apostrophe in front where it would start a formula.
    """
    if not (_PLAIN.fullmatch(text) and text[0] != "-"):
        text = "".join(map(_shown, text))
        if text.lstrip().startswith(_FORMULA_STARTS):
            text = "'" + text
    return text


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in _TURNS_TEXT:
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
    return character


def check_format(name: str) -> None:
    """Checks that a format can be written.

    Raises:
        MissingExtraError: the extra that it needs is not installed.
    """
    if name == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise MissingExtraError("--format parquet", "parquet")


def new_table(path: Path, format_name: str, batch: str, model: str, with_probabilities: bool) -> Table:
    """Starts a file of results.

    Args:
        path: of the file, which must not exist.
        format_name: one of `FORMATS`.
        batch: identifier of the batch, for its column.
        model: version of the model, for its column.
        with_probabilities: whether there are columns p0 to p9.
    """
    table = ParquetTable if format_name == "parquet" else CsvTable
    return table(path, batch, model, with_probabilities)


class CsvTable:
    """CSV by RFC 4180 but for its line ends, which are newlines; UTF-8."""

    def __init__(self, path: Path, batch: str, model: str, with_probabilities: bool) -> None:
        self.rows = 0
        self._batch, self._model, self._with_probabilities = batch, text_cell(model), with_probabilities
        self._file = path.open("x", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(COLUMNS + (PROBABILITY_COLUMNS if with_probabilities else ()))

    def add(self, outcomes: Iterable[Outcome], processed_at: datetime) -> None:
        """Writes a row for each."""
        moment = f"{processed_at:%Y-%m-%dT%H:%M:%SZ}"
        self._writer.writerows(self._row(outcome, moment) for outcome in outcomes)

    def _row(self, outcome: Outcome, processed_at: str) -> list[Any]:
        row = [
            text_cell(outcome.ref.name),
            outcome.label,
            "" if outcome.confidence is None else f"{outcome.confidence:.6f}",
            outcome.status,
            outcome.reason,
            outcome.sha256,
            self._batch,
            self._model,
            processed_at,
        ]
        if self._with_probabilities:
            row += [f"{p:.6f}" for p in outcome.probabilities] or [""] * len(PROBABILITY_COLUMNS)
        self.rows += 1
        return row

    def close(self) -> None:
        """Writes what is still in memory."""
        self._file.close()


def parquet_schema(names: Iterable[str]) -> Any:
    """The types of columns in Parquet; those that are not known are text."""
    import pyarrow as pa

    types = {
        "prediction": pa.int8(),
        "confidence": pa.float64(),
        "processed_at": pa.timestamp("s", tz="UTC"),
        **dict.fromkeys(PROBABILITY_COLUMNS, pa.float64()),
    }
    return pa.schema((name, types.get(name, pa.string())) for name in names)


class ParquetWriter:
    """Rows as Apache Parquet, with types and nulls.

    Args:
        target: the file, or its path.
        names: of the columns, in order.
    """

    def __init__(self, target: Path | IO[bytes], names: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self._schema = parquet_schema(names)
        self._writer = pq.ParquetWriter(target, self._schema)
        self._waiting: list[Record] = []

    def add(self, record: Record) -> None:
        """Writes one row."""
        self._waiting.append(record)
        if len(self._waiting) >= ROWS_PER_GROUP:
            self._write_group()

    def close(self) -> None:
        """Writes what is still in memory."""
        self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []


class ParquetTable:
    """Outcomes as Parquet."""

    def __init__(self, path: Path, batch: str, model: str, with_probabilities: bool) -> None:
        self.rows = 0
        self._batch, self._model, self._with_probabilities = batch, text_cell(model), with_probabilities
        self._file = io.FileIO(path, "x")
        names = COLUMNS + (PROBABILITY_COLUMNS if with_probabilities else ())
        self._writer = ParquetWriter(self._file, names)

    def add(self, outcomes: Iterable[Outcome], processed_at: datetime) -> None:
        """Writes a row for each."""
        for outcome in outcomes:
            self._writer.add(self._row(outcome, processed_at))
            self.rows += 1

    def _row(self, outcome: Outcome, processed_at: datetime) -> Record:
        row: Record = {
            "file": text_cell(outcome.ref.name),
            "prediction": outcome.label,
            "confidence": outcome.confidence,
            "status": outcome.status.value,
            "reason": outcome.reason and outcome.reason.value,
            "sha256": outcome.sha256 or None,
            "batch": self._batch,
            "model": self._model,
            "processed_at": processed_at,
        }
        if self._with_probabilities and outcome.probabilities:
            row |= dict(zip(PROBABILITY_COLUMNS, outcome.probabilities, strict=True))
        return row

    def close(self) -> None:
        """Writes what is still in memory."""
        try:
            self._writer.close()
        finally:
            self._file.close()
