"""Files of results, read again; and rows of several of them, written as one."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from batch.errors import MissingExtraError
from batch.files.tables import COLUMNS, PROBABILITY_COLUMNS, ROWS_PER_GROUP, parquet_schema

Row = dict[str, Any]
"""A row by column, with the types of Parquet; None where there is nothing."""

_PARSERS: dict[str, Callable[[str], Any]] = {
    "prediction": int,
    "confidence": float,
    "processed_at": datetime.fromisoformat,
    **dict.fromkeys(PROBABILITY_COLUMNS, float),
}


def column_names(path: Path) -> Sequence[str]:
    """Columns of a file of results.

    Raises:
        OSError: it cannot be read.
        MissingExtraError: it is Parquet, and the extra is not installed.
    """
    if path.suffix == ".parquet":
        with _parquet(path) as parquet:
            return list(parquet.schema_arrow.names)
    with path.open(encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def rows(path: Path) -> Iterator[Row]:
    """Yields the rows of a file of results.

    Raises:
        OSError: it cannot be read.
        MissingExtraError: it is Parquet, and the extra is not installed.
    """
    if path.suffix == ".parquet":
        with _parquet(path) as parquet:
            for part in parquet.iter_batches(ROWS_PER_GROUP):
                yield from part.to_pylist()
        return
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        names = next(lines)
        parsers = [_PARSERS.get(name, str) for name in names]
        for cells in lines:
            yield {
                name: parse(cell) if cell else None
                for name, parse, cell in zip(names, parsers, cells, strict=True)
            }


def _parquet(path: Path) -> Any:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError(f"reading {path.name}", "parquet") from error
    return pq.ParquetFile(path)


def in_order(names: set[str]) -> list[str]:
    """Columns of several files together: those that all have, the probabilities, and others."""
    known = [*COLUMNS, *(name for name in PROBABILITY_COLUMNS if name in names)]
    return [*known, *sorted(names - set(known))]


class Writer(Protocol):
    """What rows are written with."""

    def add(self, row: Row) -> None:
        """Writes one row."""

    def close(self) -> None:
        """Writes what is still in memory."""


class CsvWriter:
    """Rows as CSV, cell for cell as the files of results have them."""

    def __init__(self, file: IO[str], names: Sequence[str]) -> None:
        self._names = names
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(names)

    def add(self, row: Row) -> None:
        """Writes one row."""
        self._writer.writerow([_cell(row.get(name)) for name in self._names])

    def close(self) -> None:
        """The file is closed by who opened it."""


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return value  # csv writes None as nothing


class ParquetWriter:
    """Rows as Parquet."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        import pyarrow.parquet as pq

        self._schema = parquet_schema(names)
        self._writer = pq.ParquetWriter(path, self._schema)
        self._waiting: list[Row] = []

    def add(self, row: Row) -> None:
        """Writes one row."""
        self._waiting.append(row)
        if len(self._waiting) >= ROWS_PER_GROUP:
            self._write()

    def close(self) -> None:
        """Writes what is still in memory."""
        self._write()
        self._writer.close()

    def _write(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, schema=self._schema))
            self._waiting = []
