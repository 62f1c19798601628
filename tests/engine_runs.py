"""Runs of the engine of one machine over scans that misbehave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from batch.engines.local import Engine
from batch.records import Outcome, ScanRef
from fakes import FakeReader


def refs(*names: str) -> list[ScanRef]:
    return [ScanRef(name, name) for name in names]


def mapped(
    scans: Iterable[ScanRef], size: int, workers: int, limit_s: float | None = None
) -> Iterator[list[Outcome]]:
    with Engine(FakeReader(), workers, scan_limit_s=limit_s) as engine:
        yield from filter(None, engine.map(scans, size))
