"""The columns of the results, and the two formats they are written in."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Protocol

from batch.errors import MissingExtraError
from batch.records import Outcome
from batch.text import text_cell

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


Record = dict[str, Any]
"""A row by column, with the types of Parquet; None where there is nothing."""


class Table(Protocol):
    """A file of results that is being written."""

    rows: int

    def add(self, outcomes: Iterable[Outcome], processed_at: datetime) -> None:
        """Writes a row for each."""

    def close(self) -> None:
        """Writes what is still in memory."""


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
