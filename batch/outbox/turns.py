"""The locks of an outbox: who may write to it, and whose turn it is.

A run has the outbox for itself. A watcher and one `prune` or `retry` share it, and take turns: each holds
the turn for a step, in which it looks and changes what it has seen. A watcher holds it for a batch and gives
it back while it waits for scans. In `prune` and `retry`, a step takes about a second.

| lock | `run` | `watch` | `prune`, `retry` |
|---|---|---|---|
| `lock` | alone | shared | shared |
| `watcher.lock` | | alone | |
| `cleaner.lock` | | alone while it prunes by itself | alone |
| `turn.lock` | | alone for a step | alone for a step |
| `next.lock` | | alone until it is its turn | alone until it is its turn |

The time of `watcher.lock` is that of the watcher's last sign of life.

Without `next.lock`, a process that needs the next turn at once would always be faster than one that waits.
Older versions hold `lock` alone, so they and this one exclude each other.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from enum import StrEnum
from pathlib import Path

from batch.errors import BusyError
from batch.storage import locks

PATIENCE_S = 300.0  # a watcher reads a batch in one turn
POLL_S = 0.02  # between two attempts to take the turn
SIGN_S = 5.0  # at most between two signs of life of a watcher that nothing holds up


class Role(StrEnum):
    """What a process does with an outbox."""

    RUN = "run"
    WATCHER = "watcher"
    CLEANER = "cleaner"


@contextmanager
def hold_outbox(folder: Path, role: Role, *, busy: str) -> Iterator[None]:
    """Hold the locks of an outbox for the time of the block.

    Args:
        folder: The state folder of the outbox.
        role: What this process does.
        busy: Message of the `BusyError`.

    Raises:
        BusyError: A process is there with which this one cannot share the outbox.
        OSError: The locks cannot be opened.
    """
    with ExitStack() as stack:
        stack.enter_context(locks.hold(_file(folder, "lock"), exclusive=role is Role.RUN, busy=busy))
        if role is not Role.RUN:
            stack.enter_context(hold_role(folder, role, busy=busy))
        yield


def hold_role(folder: Path, role: Role, *, busy: str) -> AbstractContextManager[object]:
    """Return the lock of the only watcher, or of the only one that cleans up, as a context manager."""
    return locks.hold(_file(folder, f"{role}.lock"), exclusive=True, busy=busy)


@contextmanager
def hold_turn(folder: Path, *, while_waiting: Callable[[], object] = lambda: None) -> Iterator[None]:
    """Wait for the turn, and hold it for the time of the block.

    Args:
        folder: The state folder of the outbox.
        while_waiting: Called between two attempts; may raise an exception to give up.

    Raises:
        BusyError: Another process has held it for `PATIENCE_S`.
        OSError: The locks cannot be opened.
    """
    ends = time.monotonic() + PATIENCE_S
    busy = f"another digitbox has been at a step in {folder.parent} for {PATIENCE_S:g} s: try again later"

    def wait() -> None:
        while_waiting()
        if time.monotonic() > ends:
            raise BusyError(busy)
        time.sleep(POLL_S)

    with ExitStack() as turn:
        with locks.hold(_file(folder, "next.lock"), exclusive=True, busy=busy, wait=wait):
            turn.enter_context(locks.hold(_file(folder, "turn.lock"), exclusive=True, busy=busy, wait=wait))
        yield


def give_sign(folder: Path) -> None:
    """Note in the state folder that the watcher, which holds its lock, is alive now."""
    with suppress(OSError):
        os.utime(_watcher_lock(folder), (time.time(),) * 2)


def last_sign(folder: Path) -> float | None:
    """Return when a watcher last gave a sign of life, seconds since 1970; None if no watcher was there."""
    try:
        return os.stat(_watcher_lock(folder)).st_mtime
    except OSError:
        return None


def lock_of(folder: Path) -> Path:
    """Return the lock that each process holds which writes to an outbox."""
    return folder / "lock"


def _watcher_lock(folder: Path) -> Path:
    return folder / f"{Role.WATCHER}.lock"


def take_turns(folder: Path | None, steps: Iterator[None]) -> None:
    """Do work step by step, each step in a turn of its own.

    Args:
        folder: The state folder of the outbox; None for steps that only look, and need no turn.
        steps: Does a step each time it is asked for the next.
    """
    is_done = False
    while not is_done:
        with nullcontext() if folder is None else hold_turn(folder):
            is_done = next(steps, True) is not None


def _file(folder: Path, name: str) -> Path:
    """Return the path of a lock. Make the file if it is missing: root makes it for the outbox's owner."""
    path = folder / name
    if not path.exists():
        path.write_bytes(b"")  # after Ctrl-C, `touch` leaves the file open
        if os.geteuid() == 0:
            owner = os.stat(folder)
            os.chown(path, owner.st_uid, owner.st_gid)
    return path
