"""Rows of the ledger by path, read ahead: scans are mostly asked for in the order of its index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

Row = tuple[int, int, str | None]
"""Size in bytes, modification time in nanoseconds, and reason of one row."""

FEWEST, MOST = 8, 4096  # rows read at a time
_QUERY = "SELECT path, size_bytes, mtime_ns, reason FROM members WHERE path >= ? ORDER BY path LIMIT ?"


class Lookahead:
    """Answers from what was read last; reads more at a time as long as that is of use.

    Args:
        execute: rows that a statement gives.
    """

    def __init__(self, execute: Callable[[str, Sequence[Any]], list[Any]]) -> None:
        self._execute = execute
        self.forget()

    def forget(self) -> None:
        """The rows have changed."""
        self._rows: dict[bytes, list[Row]] = {}
        self._first, self._end = b"", b""  # none are known
        self._is_all = False  # whether no row comes after the first that is known
        self._count, self._answers = FEWEST, 0

    def rows(self, path: bytes) -> Sequence[Row]:
        """All rows of a path."""
        if not (self._first <= path and (self._is_all or path < self._end)):
            self._read(path)
        self._answers += 1
        return self._rows.get(path, ())

    def _read(self, path: bytes) -> None:
        was_of_use = 2 * self._answers >= self._count
        self._count = min(4 * self._count, MOST) if was_of_use else FEWEST
        self._answers = 0
        while True:
            found = self._execute(_QUERY, (path, self._count))
            self._is_all = len(found) < self._count
            # Of the last path, there may be more.
            self._end = b"" if self._is_all else found[-1][0]
            if self._is_all or self._end > path:
                break
            self._count *= 4
        self._first, self._rows = path, {}
        for at, *row in found:
            if self._is_all or at < self._end:
                self._rows.setdefault(at, []).append((row[0], row[1], row[2]))
