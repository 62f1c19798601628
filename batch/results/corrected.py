"""Files of results with people's corrections applied."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from batch.records import Reason, Status
from batch.results import reader
from batch.results.schema import NUMBER_COLUMN, Record
from batch.results.writers import CsvWriter, ParquetWriter, Writer

CORRECTED = "corrected"
"""The last column of corrected results: what the model had said of a row that a person corrected."""


def apply_corrections(path: Path, corrections: Mapping[tuple[str, str], tuple[str, str]]) -> bytes:
    """Return the content of a file of results with corrections; the file itself stays as it is.

    Args:
        path: The file of results.
        corrections: By file and SHA-256 of a row, what the model had said and what a person says: 0 to 9, a
            number in results with numbers, or `none`.

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
                record |= changes(*corrections[key], with_numbers=NUMBER_COLUMN in names)
            writer.add([record.get(name) for name in names])
    text.flush()
    return content.getvalue()


def changes(predicted: str, label: str, *, with_numbers: bool = False) -> Record:
    """Return what a correction changes in a row.

    Args:
        predicted: What the model had said.
        label: What a person says: 0 to 9, a number in results with numbers, or `none`.
        with_numbers: True if the row is of results with numbers.
    """
    is_digit = label != "none"
    none = Reason.NOT_A_NUMBER if with_numbers else Reason.NOT_A_DIGIT
    return {
        "prediction": None if not is_digit else label if with_numbers else int(label),
        "confidence": None,
        "status": (Status.OK if is_digit else Status.REFUSED).value,
        "reason": None if is_digit else none.value,
        **({NUMBER_COLUMN: None} if with_numbers else {}),
        CORRECTED: predicted,
    }
