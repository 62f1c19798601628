"""Workers that hang, and the time of a pool that waits for them: no load makes a test lose another scan."""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path

from waiting import POLL_S

FOLDER = "HANGING"
"""The variable that names a folder with an empty file for each process that hangs. Workers inherit it."""


def hang() -> None:
    """Do nothing more in this process."""
    note_hanging(os.getpid())
    signal.pause()


def stop() -> None:
    """Stop this process, as a debugger does."""
    note_hanging(os.getpid())
    os.kill(os.getpid(), signal.SIGSTOP)


def note_hanging(process: int) -> None:
    """Say that a process says nothing from now on."""
    if folder := os.environ.get(FOLDER):
        Path(folder, str(process)).touch()


class PoolTime:
    """The time of a pool, which passes only while each worker that it waits for hangs."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._now_s = folder, 0.0

    def monotonic(self) -> float:
        return self._now_s

    def wait(self, connections: Sequence[Connection], timeout_s: float) -> list[object]:
        """Return the connections that have something to read, like `multiprocessing.connection.wait`."""
        while True:
            alive = {str(child.pid) for child in multiprocessing.active_children()}
            hang = len(alive.intersection(os.listdir(self._folder))) == len(connections)
            if heard := connection.wait(connections, 0 if hang else POLL_S):
                return list(heard)
            if hang:
                self._now_s += timeout_s
                return []
