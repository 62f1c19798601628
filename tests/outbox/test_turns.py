"""Who shares an outbox, and how they take turns."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from batch.errors import BusyError
from batch.outbox import turns
from batch.outbox.turns import Role, hold_outbox, hold_turn, take_turns
from batch.storage import locks


@pytest.mark.parametrize(
    ("first", "second", "is_busy"),
    [
        (Role.RUN, Role.RUN, True),
        (Role.RUN, Role.WATCHER, True),
        (Role.RUN, Role.CLEANER, True),
        (Role.WATCHER, Role.WATCHER, True),
        (Role.WATCHER, Role.CLEANER, False),
        (Role.CLEANER, Role.CLEANER, True),
    ],
)
def test_who_shares_an_outbox(tmp_path: Path, first: Role, second: Role, is_busy: bool) -> None:
    for roles in ((first, second), (second, first)):
        with ExitStack() as stack:
            stack.enter_context(hold_outbox(tmp_path, roles[0], busy="taken"))
            if is_busy:
                with pytest.raises(BusyError, match="taken"):
                    stack.enter_context(hold_outbox(tmp_path, roles[1], busy="taken"))
            else:
                stack.enter_context(hold_outbox(tmp_path, roles[1], busy="taken"))
        with hold_outbox(tmp_path, roles[1], busy="taken"):
            pass


@pytest.mark.parametrize("role", [Role.WATCHER, Role.CLEANER])
def test_older_versions_hold_the_lock_alone(tmp_path: Path, role: Role) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    with (
        locks.hold(lock, exclusive=True, busy=""),
        pytest.raises(BusyError),
        hold_outbox(tmp_path, role, busy=""),
    ):
        pass
    with (
        hold_outbox(tmp_path, role, busy=""),
        pytest.raises(BusyError),
        locks.hold(lock, exclusive=True, busy=""),
    ):
        pass


def test_who_waits_comes_next(tmp_path: Path) -> None:
    """One that takes turn after turn, as a watcher with very many scans does, lets the other in."""
    order: list[str] = []
    is_waiting = threading.Event()

    def wait() -> None:
        with hold_turn(tmp_path, while_waiting=is_waiting.set):
            order.append("other")

    other = threading.Thread(target=wait)

    def steps() -> Iterator[None]:
        for number in range(3):
            order.append("busy")
            if number == 0:
                other.start()
                assert is_waiting.wait(60)
            yield

    take_turns(tmp_path, steps())
    other.join()
    assert order == ["busy", "other", "busy", "busy"]


def test_a_turn_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_S", 0.0)
    with hold_turn(tmp_path), pytest.raises(BusyError, match="try again later"), hold_turn(tmp_path):
        pass
    with hold_turn(tmp_path):  # the place in the queue is free again
        pass
