"""Published results as a table of pandas, with what people corrected."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from batch.api.arguments import path_texts
from batch.errors import ConfigError, InputError
from batch.locations import check_location, is_remote
from batch.outbox import published_files
from batch.outbox.corrections import load
from batch.outbox.ledger import has_ledger
from batch.records import Reason, Status
from batch.results import corrected, reader, schema

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 20_000  # rows that are in memory as Python objects at a time
_CATEGORIES = {"status": tuple(Status), "reason": tuple(Reason), "model": ()}
_TYPES = {
    "prediction": "Int8",
    "confidence": "float64",
    "processed_at": "datetime64[s, UTC]",
    "page": "Int32",
    **dict.fromkeys(schema.PROBABILITY_COLUMNS, "float64"),
}

_Path = str | PathLike[str]


def read_results(results: _Path | Iterable[_Path]) -> pd.DataFrame:
    """Read published results into a table of pandas.

    Args:
        results: The outbox; or a file of results, CSV or Parquet, which a spreadsheet may have saved; or
            several of these.

    Returns:
        A row for each row of the files. A file that is named twice counts once. The rows of an outbox have
        the order in which digitbox published them. Of an outbox, only files that digitbox published there
        count: others may be copies.
        What a person said of a scan is its result: then `corrected` holds what the model had said, and
        `comment` the comment.
        Types: `prediction` and `page` are integers that may be missing, `confidence` and `p0` to `p9` are
        floats. If a file or an answer has numbers, all predictions are text, with their leading zeros.
        `status`, `reason` and `model` are categories, `processed_at` is a time in UTC, and all else is text
        that may be missing.

    Raises:
        ConfigError: Something is no path, or an address: results in object storage must be copied first.
        InputError: There is no such outbox or file, or a file holds no results.
        LedgerError: The ledger of an outbox is damaged.
        MissingExtraError: A file is Parquet, and the extra is not installed.

    Examples:
        >>> import digitbox, tempfile
        >>> with tempfile.TemporaryDirectory() as outbox:
        ...     summary = digitbox.run(["inbox"], outbox, workers=1)
        ...     frame = digitbox.read_results(outbox)
        >>> int(frame.set_index("file").loc["sample-01-pen.png", "prediction"])
        3
        >>> frame["prediction"].dtype, frame["confidence"].dtype, str(frame["processed_at"].dtype)
        (Int8Dtype(), dtype('float64'), 'datetime64[s, UTC]')
    """
    import pandas as pd

    files = published_files.once(file for path in path_texts("results", results) for file in _files(path))
    found: dict[str, None] = {}
    for file in files:
        found |= dict.fromkeys(reader.columns(file))
    corrections = {folder: load(folder) for folder in {file.parent for file in files}}
    if any(said.has_numbers for said in corrections.values()):
        found[schema.NUMBER_COLUMN] = None
    for name in corrected.EFFECTIVE_COLUMNS:
        found.pop(name, None)  # an exported file has them
    columns = [*schema.order_columns(found), *corrected.EFFECTIVE_COLUMNS]
    # Numbers are text, with their leading zeros; in one table with them, so are digits.
    types = _TYPES | ({"prediction": "string"} if schema.NUMBER_COLUMN in found else {})
    parts = [_typed(pd.DataFrame(), columns, types)]
    for file in files:
        records = map(corrections[file.parent].apply, reader.records(file))
        while chunk := list(islice(records, CHUNK_ROWS)):
            # As objects: pandas would make floats of whole numbers beside None, and text of these.
            parts.append(_typed(pd.DataFrame(chunk, dtype=object), columns, types))
    frame = pd.concat(parts, ignore_index=True)
    for name, known in _CATEGORIES.items():
        words = [*map(str, known), *sorted(set(frame[name].dropna()) - set(known))]
        frame[name] = pd.Categorical(frame[name], words)
    return frame


def _typed(part: pd.DataFrame, columns: list[str], types: dict[str, str]) -> pd.DataFrame:
    """Return a part with all columns and with their types; those of categories are still text."""
    return part.reindex(columns=columns).astype({name: types.get(name, "string") for name in columns})


def _files(path: str) -> list[Path]:
    path = check_location(path)
    if is_remote(path):
        raise ConfigError(
            f"read_results needs files on a disk, not {path}: copy its files of results to a folder"
        )
    if not os.path.isdir(path):
        return [Path(path)]
    found = published_files.find(Path(path))
    if not found and not has_ledger(Path(path)):
        raise InputError(f"no results in {path}: give the outbox of your runs, or name files of results")
    return found
