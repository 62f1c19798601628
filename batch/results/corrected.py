"""Files of results with people's corrections applied."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from batch.records import Reason, Status
from batch.results import reader
from batch.results.schema import Record
from batch.results.writers import CsvWriter, ParquetWriter, Writer

CORRECTED = "corrected"
"""The last column of corrected results: what the model had said of a row that a person corrected."""


def apply_corrections(path: Path, corrections: Mapping[tuple[str, str], tuple[str, str]]) -> bytes:
    """Return the content of a file of results with corrections; the file itself stays as it is.

    Args:
        path: The file of results.
        corrections: By file and SHA-256 of a row, what the model had said and what a person says: 0 to 9,
            or `none`.

    Returns:
        A file of the same format. A corrected row is `ok`, without reason and confidence. If the person saw
        no digit, it is refused as `not_a_digit`.

    Raises:
        InputError: The file cannot be read.
        MissingExtraError: The file is Parquet, and the extra is not installed.
    """
    names = [*reader.columns(path), CORRECTED]
    content = io.BytesIO()
    text = io.TextIOWrapper(content, encoding="utf-8", newline="")
    writer: Writer = CsvWriter(text, names) if path.suffix == ".csv" else ParquetWriter(content, names)
    with closing(writer):
        for record in reader.records(path):
            key = record["file"], record["sha256"] or ""
            if key in corrections:
                record |= changes(*corrections[key])
            writer.add([record.get(name) for name in names])
    text.flush()
    return content.getvalue()


def changes(predicted: str, label: str) -> Record:
    """Return what a correction changes in a row.

    Args:
        predicted: What the model had said.
        label: What a person says: 0 to 9, or `none`.
    """
    is_digit = label != "none"
    return {
        "prediction": int(label) if is_digit else None,
        "confidence": None,
        "status": (Status.OK if is_digit else Status.REFUSED).value,
        "reason": None if is_digit else Reason.NOT_A_DIGIT.value,
        CORRECTED: predicted,
    }
