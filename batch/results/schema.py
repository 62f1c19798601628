"""The columns of the results and their types."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import Any

from batch.errors import MissingExtraError

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
"""The first columns, which all files of results have."""
PROBABILITY_COLUMNS = tuple(f"p{digit}" for digit in range(10))
ORIGIN_COLUMNS = ("page", "source")
"""With `file`, they name a scan. Files of older versions do not have them."""
NUMBER_COLUMN = "digit_confidences"
"""The last column of results with numbers. In such a file a prediction is a text, with its leading zeros."""
FORMATS = ("csv", "parquet")
"""The formats of the files of results in an outbox."""
EXPORT_FORMATS = (*FORMATS, "xlsx")
"""The formats that `digitbox export` writes."""
_EXTRAS = {"parquet": ("pyarrow", "parquet"), "xlsx": ("xlsxwriter", "excel")}  # the package and its extra

Record = dict[str, Any]
"""A row by column, with the types of Parquet; an empty cell is None."""


def order_columns(names: Iterable[str]) -> list[str]:
    """Return the columns of several files in one table, in the order of a file that has them all."""
    unordered = set(names)
    known = [*COLUMNS, *(name for name in PROBABILITY_COLUMNS if name in unordered), *ORIGIN_COLUMNS]
    last = [NUMBER_COLUMN] if NUMBER_COLUMN in unordered else []
    return [*known, *sorted(unordered - {*known, *last}), *last]


def check_format(name: str) -> None:
    """Check that digitbox can write a format.

    Raises:
        MissingExtraError: The extra that it needs is not installed.
    """
    package, extra = _EXTRAS.get(name, ("", ""))
    if package and importlib.util.find_spec(package) is None:
        raise MissingExtraError(f"--format {name}", extra)


def parquet_schema(names: Iterable[str]) -> Any:
    """Return the types of columns in Parquet; a column that is not known is text."""
    import pyarrow as pa

    names = list(names)
    types = {
        "prediction": pa.string() if NUMBER_COLUMN in names else pa.int8(),
        "confidence": pa.float64(),
        "processed_at": pa.timestamp("s", tz="UTC"),
        "page": pa.int32(),
        **dict.fromkeys(PROBABILITY_COLUMNS, pa.float64()),
    }
    return pa.schema((name, types.get(name, pa.string())) for name in names)
