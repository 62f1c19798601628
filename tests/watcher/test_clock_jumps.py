"""A clock that jumps while a watcher works: each scan still has one row, and every command still answers."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from batch import clock
from command import Digitbox
from formats import numbered_scan
from scene import Scene

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JUMPS: dict[str, list[float]] = {
    "back": [0, 0, 0, -400, -400],
    "to 1970": [-20_000, -20_000, 0],
    "ahead and back": [0, 11_000, 0],
    "all the time": [0, -1, 3, -400, 11_000, -0.00001],
}
"""Days that the clock is off, one after the other."""


def set_clock(monkeypatch: pytest.MonkeyPatch, days: Iterator[float]) -> None:
    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumping":
            moment = NOW + timedelta(days=next(days))
            return cls.fromtimestamp(moment.timestamp(), tz)

    monkeypatch.setattr(clock, "datetime", Jumping)


@pytest.mark.parametrize("jumps", JUMPS)
def test_each_scan_has_one_row_whatever_the_clock_says(
    jumps: str, scene: Scene, digitbox: Digitbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, itertools.cycle(JUMPS[jumps]))
    for number in range(6):
        scene.ticking.at(10.0 * number, lambda number=number: scene.drop("a.png", numbered_scan(number)))  # type: ignore[misc]
    scene.watch(90)
    scene.check()
    assert len(scene.rows) == 6 and len({row["processed_at"] for row in scene.rows}) > 1
    outbox = ["--outbox", str(scene.outbox)]
    for command in (["status"], ["history"], ["prune", "--older-than", "30d", "--dry-run"]):
        assert digitbox(*command, *outbox).code == 0, command
    scene.drop("a.png", numbered_scan(7))
    scene.watch(200)
    scene.check()
