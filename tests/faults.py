"""Faults for tests: a process that is killed at its k-th call to the operating system."""

from __future__ import annotations

import builtins
import fcntl
import functools
import gc
import io
import os
import signal
import sqlite3
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from batch.storage import durable

# Calls that change the disk, or look at what a later call will change. Path and shutil call these, too.
OS_CALLS = (
    "open",
    "close",
    "write",
    "sendfile",
    "copy_file_range",
    "fsync",
    "truncate",
    "ftruncate",
    "rename",
    "replace",
    "link",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "utime",
    "chmod",
    "setxattr",
    "lstat",
    "stat",
    "listdir",
    "scandir",
)
DONE, RAISED = 0, 77
KILL_EVERY = int(os.environ.get("KILL_EVERY", "16"))
"""Tests kill at every sixteenth call, each from another one on; `make kills` kills at every call."""


@contextmanager
def fast_folder(fallback: Path) -> Iterator[Path]:
    """Yield a folder in memory, where a sync costs nothing; the fallback where memory holds no files."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_bavail * os.statvfs(memory).f_bsize < 1 << 28:
        yield fallback
        return
    with tempfile.TemporaryDirectory(prefix="digitbox-", dir=memory) as folder:
        yield Path(folder)


def killed_at(number: int, work: Callable[[], None], by: int = signal.SIGKILL) -> bool:
    """Do work in a process of its own, and send it a signal before its `number`-th call.

    Returns:
        Whether the signal killed it; False if it made fewer calls, or ended well.
    """
    return _was_killed(_forked(work, _killer(number, by)))


def calls_of(work: Callable[[], None]) -> Iterator[None]:
    """Do work in a process of its own; yield before each of its calls while it waits."""
    comes, theirs_comes = os.pipe()
    theirs_goes, goes = os.pipe()
    read, write = os.read, os.write

    def wait(*_: Any) -> None:
        write(theirs_comes, b".")
        read(theirs_goes, 1)

    child = _forked(work, wait)
    os.close(theirs_comes)
    os.close(theirs_goes)
    try:
        while os.read(comes, 1):
            yield
            os.write(goes, b".")
    except BaseException:
        os.kill(child, signal.SIGKILL)  # it would wait for ever
        raise
    finally:
        os.close(comes)
        os.close(goes)
        was_killed = _was_killed(child)
    assert not was_killed


def _forked(work: Callable[[], None], hear: Callable[..., None]) -> int:
    """Do work in a process of its own, which calls `hear` before each call; return its number."""
    cv2.setNumThreads(1)  # OpenCV's threads would not survive the fork
    gc.freeze()  # so that the child's collections copy no objects of the parent
    child = os.fork()
    if child == 0:
        code = RAISED
        try:
            before_each_call(hear)
            work()
            code = DONE
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return child


def _was_killed(child: int) -> bool:
    """Wait for the end of a process; return whether it was killed, and fail if it raised an error."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == DONE
    return False


def _killer(number: int, by: int) -> Callable[..., None]:
    remaining = number

    def count(_name: str, *_arguments: Any) -> None:
        nonlocal remaining
        remaining -= 1
        if remaining == 0:
            os.kill(os.getpid(), by)

    return count


def before_each_call(hear: Callable[..., None]) -> None:
    """Call `hear` with name and arguments before each call of this process to the operating system."""

    def reporting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def report_and_call(*arguments: Any, **settings: Any) -> Any:
            hear(name, *arguments)
            return call(*arguments, **settings)

        return report_and_call

    class File:
        """A file that is open to write; its methods report, as Python's buffer is not on the disk yet."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            attribute = getattr(self._file, name)
            return reporting(f"file.{name}", attribute) if name in ("write", "flush", "close") else attribute

        def __enter__(self) -> File:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    def reporting_open(call: Callable[..., Any]) -> Callable[..., Any]:
        def report_and_open(*arguments: Any, **settings: Any) -> Any:
            hear("open")
            file = call(*arguments, **settings)
            # copy_file_range and sendfile want the descriptor, which File has, too.
            return File(file) if file.writable() else file

        return report_and_open

    class Connection(sqlite3.Connection):
        """A connection to SQLite that reports its calls."""

    for name in ("execute", "executemany", "executescript", "close"):
        setattr(Connection, name, reporting(f"sqlite3.{name}", getattr(sqlite3.Connection, name)))
    for name in filter(functools.partial(hasattr, os), OS_CALLS):
        setattr(os, name, reporting(f"os.{name}", getattr(os, name)))
    setattr(  # noqa: B010
        durable,
        "rename_without_replacing",
        reporting("os.rename", durable.rename_without_replacing),
    )
    for name in ("flock", "fcntl"):
        setattr(fcntl, name, reporting(f"fcntl.{name}", getattr(fcntl, name)))
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Connection))  # noqa: B010
    setattr(io, "open", reporting_open(io.open))  # noqa: B010
    setattr(builtins, "open", reporting_open(builtins.open))  # noqa: B010
