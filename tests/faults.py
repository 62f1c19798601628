"""A process that is killed at its k-th call to the operating system, and a scan in the making."""

from __future__ import annotations

import functools
import io
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from typing import Any

import cv2

# Calls that change what is on the disk, or open what will be changed.
OS_CALLS = (
    "open",
    "close",
    "fsync",
    "rename",
    "replace",
    "link",
    "unlink",
    "mkdir",
    "rmdir",
    "utime",
    "lstat",
    "stat",
    "listdir",
    "scandir",
)
DONE, RAISED = 0, 77


def killed_at(number: int, work: Callable[[], None]) -> bool:
    """Does work in a process of its own that is killed before its `number`-th call.

    Returns:
        Whether it was killed; not when it made fewer calls.
    """
    cv2.setNumThreads(1)  # OpenCV's threads would not survive the fork
    child = os.fork()
    if child == 0:
        code = RAISED
        try:
            _count_down(number)
            work()
            code = DONE
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == DONE
    return False


def _count_down(number: int) -> None:
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*arguments: Any, **settings: Any) -> Any:
            count()
            return call(*arguments, **settings)

        return counting

    class Connection(sqlite3.Connection):
        """Counts what it is told to do."""

    for name in ("execute", "executemany", "executescript", "close"):
        setattr(Connection, name, counted(getattr(sqlite3.Connection, name)))
    for name in OS_CALLS:
        setattr(os, name, counted(getattr(os, name)))
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Connection))  # noqa: B010
    setattr(io, "open", counted(io.open))  # noqa: B010
