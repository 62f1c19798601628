"""Files of results that were published, read again, and tables that a spreadsheet may have saved anew."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batch.errors import InputError
from batch.files import tables
from batch.files.tables import COLUMNS, PROBABILITY_COLUMNS
from batch.records import Status

CORRECTED = "corrected"
"""The column at the end of corrected results: what the model had said of a row that a person corrected."""

_DELIMITERS = ",;\t"  # what spreadsheets put between cells, by country


@dataclass(frozen=True, slots=True)
class Row:
    """One row of results, as it was published.

    Attributes:
        file: name of the scan, escaped.
        prediction: 0 to 9, or None.
        confidence: 0 to 1, or None.
        status: what became of the scan.
        reason: why it is not ok, or empty.
        sha256: of the bytes that were read; empty when none could be.
        batch: it was published with.
        model: version of the model.
        processed_at: UTC, ISO 8601.
        probabilities: of the ten digits, where the results have them.
    """

    file: str
    prediction: int | None
    confidence: float | None
    status: Status
    reason: str
    sha256: str
    batch: str
    model: str
    processed_at: str
    probabilities: tuple[float, ...] = ()


def find(folder: Path) -> list[Path]:
    """Files of results in an outbox, the oldest first."""
    return sorted(
        (path for name in tables.FORMATS for path in folder.glob(f"predictions-*.{name}")),
        key=lambda path: path.name,
    )


def read(path: Path) -> Iterator[Row]:
    """Yields the rows of a file of results.

    Raises:
        InputError: it cannot be read, or is no such file.
        MissingExtraError: it is Parquet, and the extra is not installed.
    """
    records = _parquet(path) if path.suffix == ".parquet" else table(path, COLUMNS)
    for number, record in records:
        try:
            yield _row(record)
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: {error}; name a file of results as digitbox wrote it"
            ) from error


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the lines of a CSV by column, with the number that each has in an editor.

    A spreadsheet may have saved it: with a byte order mark, with semicolons or tabs, or with other line ends.

    Args:
        path: of the file.
        columns: that it must have; more are let be.

    Raises:
        InputError: it cannot be read, is no such file, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            file.seek(0)
            lines = csv.reader(file, delimiter=max(_DELIMITERS, key=header.count), strict=True)
            yield from _records(path, lines, columns)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV in UTF-8 ({error}): save it as that") from error


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
    """
    if path.suffix == ".parquet":
        return _corrected_parquet(path, said)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    for _, record in table(path, COLUMNS):
        if not text.tell():
            writer.writerow([*record, CORRECTED])
        key = record["file"], record["sha256"]
        change = _changed(*said[key]) if key in said else {CORRECTED: ""}
        writer.writerow((record | {k: "" if v is None else v for k, v in change.items()}).values())
    return text.getvalue().encode()


def _changed(said: str, label: str) -> dict[str, Any]:
    is_digit = label != "none"
    return {
        "prediction": int(label) if is_digit else None,
        "confidence": None,
        "status": (Status.OK if is_digit else Status.REFUSED).value,
        "reason": None if is_digit else "not_a_digit",
        CORRECTED: said,
    }


def _row(record: dict[str, Any]) -> Row:
    prediction, confidence = record["prediction"], record["confidence"]
    number = None if prediction in ("", None) else int(prediction)
    if number is not None and not 0 <= number <= 9:
        raise ValueError(f"{prediction!r} is no digit")
    share = None if confidence in ("", None) else float(confidence)
    if share is not None and not 0 <= share <= 1:  # nor may it be nan
        raise ValueError(f"{confidence!r} is no confidence")
    shares = tuple(float(record[name]) for name in PROBABILITY_COLUMNS if record.get(name) not in ("", None))
    return Row(
        str(record["file"]),
        number,
        share,
        Status(record["status"]),
        record["reason"] or "",
        record["sha256"] or "",
        str(record["batch"]),
        str(record["model"]),
        str(record["processed_at"]),
        shares if len(shares) == len(PROBABILITY_COLUMNS) and all(0 <= s <= 1 for s in shares) else (),
    )


def _records(path: Path, lines: Any, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    names = [name.strip() for name in next(lines, [])]
    lacking = [column for column in columns if column not in names]
    if lacking:
        raise InputError(f"{path} has no column {lacking[0]}: name a file as digitbox wrote it")
    before = lines.line_num
    for cells in lines:
        number, before = before + 1, lines.line_num
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise InputError(
                f"{path}, line {number}: {len(cells)} cells under {len(names)} columns; name a file as "
                "digitbox wrote it"
            )
        yield number, dict(zip(names, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    tables.check_format("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            lacking = [column for column in COLUMNS if column not in file.schema_arrow.names]
            if lacking:
                raise InputError(f"{path} has no column {lacking[0]}: name a file as digitbox wrote it")
            number = 0
            for group in file.iter_batches():
                for record in group.to_pylist():
                    number += 1
                    if record["processed_at"] is not None:
                        record["processed_at"] = f"{record['processed_at']:%Y-%m-%dT%H:%M:%SZ}"
                    yield number, record
    except FileNotFoundError as error:
        raise InputError(f"no such file: {path}") from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {error}; name a file as digitbox wrote it") from error


def _corrected_parquet(path: Path, said: dict[tuple[str, str], tuple[str, str]]) -> bytes:
    tables.check_format("parquet")
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        published = file.read()
    records = published.to_pylist()
    for record in records:
        key = record["file"], record["sha256"] or ""
        record |= _changed(*said[key]) if key in said else {CORRECTED: None}
    target = pa.BufferOutputStream()
    schema = published.schema.append(pa.field(CORRECTED, pa.string()))
    pq.write_table(pa.Table.from_pylist(records, schema=schema), target)
    return bytes(target.getvalue().to_pybytes())
