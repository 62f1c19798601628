"""The names of files of results: `predictions-<UTC time>-<batch>.<format>`."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from batch.clock import compact
from batch.results.schema import FORMATS

_PREFIX = "predictions-"
# Batches of older versions had no b.
_NAME = re.compile(rf"{_PREFIX}\d{{8}}T\d{{6}}Z-b?[0-9a-f]{{8}}\.(?:{'|'.join(FORMATS)})", re.ASCII)
STAMP_START = len(_PREFIX) + 1
"""Where SQLite's `substr` finds the time in a name."""


def file_name(began: datetime, batch_id: str, format_name: str) -> str:
    """Return the name of a batch's file.

    Args:
        began: When the batch began, UTC.
        batch_id: Identifies the batch.
        format_name: One of `FORMATS`.
    """
    return f"{_PREFIX}{compact(began)}-{batch_id}.{format_name}"


def stamp(name: str) -> str:
    """Return the time in a name, as `clock.compact` writes it."""
    return name.removeprefix(_PREFIX).partition("-")[0]


def day(name: str) -> str:
    """Return the day in a name: `2026-01-31`."""
    began = stamp(name)
    return f"{began[:4]}-{began[4:6]}-{began[6:8]}"


def batch_id(name: str) -> str:
    """Return the identifier of the batch in a name."""
    return name.partition(".")[0].rpartition("-")[2]


def find(folder: Path) -> list[Path]:
    """Return the files with names that digitbox gives, in the order of their times.

    The names tell the second. Within one, the time when a file was written decides.
    """
    found = []
    for path in find_all(folder):
        if _NAME.fullmatch(path.name):
            with suppress(FileNotFoundError):  # somebody took it away meanwhile
                found.append((stamp(path.name), path.lstat().st_mtime_ns, path.name, path))
    return [path for *_, path in sorted(found)]


def find_all(folder: Path) -> list[Path]:
    """Return the files of results in an outbox, and other files whose names are like theirs, by name."""
    return sorted(path for name in FORMATS for path in folder.glob(f"{_PREFIX}*.{name}"))
