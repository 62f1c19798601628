"""Files of results with the corrections of people."""

from __future__ import annotations

import io
from contextlib import closing
from pathlib import Path

from batch.records import Reason, Status
from batch.results import reader
from batch.results.schema import Record
from batch.results.writers import CsvWriter, ParquetWriter, Writer

CORRECTED = "corrected"
"""The column at the end of corrected results: what the model had said of a row that a person corrected."""


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
    names = [*reader.columns(path), CORRECTED]
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", newline="")
    writer: Writer = CsvWriter(text, names) if path.suffix == ".csv" else ParquetWriter(content, names)
    with closing(writer):
        for record in reader.records(path):
            key = record["file"], record["sha256"] or ""
            if key in said:
                record |= _changes(*said[key])
            writer.add([record.get(name) for name in names])
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
