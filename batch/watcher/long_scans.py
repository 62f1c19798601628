"""Scans of very many pages, which digitbox reads beside the others, so that they hold up none of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator

from batch.engines.local import Engine
from batch.records import Outcome, ScanRef


class LongScans:
    """The scans of very many pages that wait, of which the first is being read, in one process.

    Attributes:
        since: When digitbox began to read the scan that it read last.

    Args:
        engine: The engine that reads scans.
        clock: A function that returns seconds and only goes forward.
    """

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self.since = 0.0
        self._engine, self._clock = engine, clock
        self._waiting: dict[str, tuple[ScanRef, float]] = {}  # by path, as they came
        self._pages: Generator[list[Outcome], None, None] | None = None

    def __len__(self) -> int:
        """Return the number of scans that have no row yet."""
        return len(self._waiting)

    @property
    def ready_since(self) -> float:
        """Return when the scan that has waited longest became whole; inf if none waits."""
        return next(iter(self._waiting.values()))[1] if self._waiting else math.inf

    def add(self, ref: ScanRef, ready_since: float) -> None:
        """Add a scan, and when it became whole."""
        self._waiting[ref.path] = ref, ready_since

    def has(self, path: str) -> bool:
        """Return whether the scan at a path has its row soon."""
        return path in self._waiting

    def read_on(self) -> list[Outcome]:
        """Read on in the first scan for a moment; return all of its outcomes when it is read."""
        if self._pages is None:
            if not self._waiting:
                return []
            ref, _ = next(iter(self._waiting.values()))
            self._pages, self.since = self._engine.read_long(ref), self._clock()
        outcomes = next(self._pages)
        if outcomes:
            self._stop()
            del self._waiting[next(iter(self._waiting))]
        return outcomes

    def clear(self) -> None:
        """Stop reading, and forget all scans: they are in the inbox, and have no row."""
        self._stop()
        self._waiting.clear()

    def _stop(self) -> None:
        if self._pages is not None:
            self._pages.close()
            self._pages = None
