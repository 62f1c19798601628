"""Rows of files of results, written as other files: those of several together, or with corrections."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from batch.files import readback
from batch.files.tables import COLUMNS, PROBABILITY_COLUMNS, ParquetWriter, Record
from batch.records import Reason, Status

CORRECTED = "corrected"
"""The column at the end of corrected results: what the model had said of a row that a person corrected."""


def in_order(names: Iterable[str]) -> list[str]:
    """Columns of several files together: those that all have, the probabilities, and others."""
    found = set(names)
    known = [*COLUMNS, *(name for name in PROBABILITY_COLUMNS if name in found)]
    return [*known, *sorted(found - set(known))]


class Writer(Protocol):
    """What rows are written with."""

    def add(self, record: Record) -> None:
        """Writes one row."""

    def close(self) -> None:
        """Writes what is still in memory."""


class CsvWriter:
    """Rows as CSV, cell for cell as the files of results have them."""

    def __init__(self, file: IO[str], names: Sequence[str]) -> None:
        self._names = names
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(names)

    def add(self, record: Record) -> None:
        """Writes one row."""
        self._writer.writerow([_cell(record.get(name)) for name in self._names])

    def close(self) -> None:
        """The file is closed by who opened it."""


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value  # csv writes None as nothing


def corrected(path: Path, said: dict[tuple[str, str], tuple[str, str]]) -> bytes:
    """The content of a file of results after corrections; the file itself is left as it is.

    Args:
        path: of the file of results.
        said: by file and SHA-256 of a row, what the model had said and what a person says: 0 to 9, or none.

    Returns:
        A file of the same format. A corrected row is `ok`, without reason and confidence; or, where a person
        saw no digit, refused as `not_a_digit`.

    Raises:
        InputError: it cannot be read.
        MissingExtraError: it is Parquet, and the extra is not installed.
    """
    names = [*readback.columns(path), CORRECTED]
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", newline="")
    writer: Writer = CsvWriter(text, names) if path.suffix == ".csv" else ParquetWriter(content, names)
    with closing(writer):
        for record in readback.records(path):
            key = record["file"], record["sha256"] or ""
            writer.add(record | _changes(*said[key]) if key in said else record)
    text.flush()
    return content.getvalue()


def _changes(said: str, label: str) -> Record:
    is_digit = label != "none"
    return {
        "prediction": int(label) if is_digit else None,
        "confidence": None,
        "status": (Status.OK if is_digit else Status.REFUSED).value,
        "reason": None if is_digit else Reason.NOT_A_DIGIT.value,
        CORRECTED: said,
    }
