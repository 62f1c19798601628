"""A process that is killed at its k-th call to the operating system."""

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

# Calls that change what is on the disk, or look at what will be changed. Path and shutil call these, too.
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


@contextmanager
def fast_folder(other: Path) -> Iterator[Path]:
    """A folder in memory, where a sync costs nothing; another where there is no such thing."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or os.statvfs(memory).f_bavail * os.statvfs(memory).f_bsize < 1 << 28:
        yield other
        return
    with tempfile.TemporaryDirectory(prefix="digitbox-", dir=memory) as folder:
        yield Path(folder)


def killed_at(number: int, work: Callable[[], None], by: int = signal.SIGKILL) -> bool:
    """Does work in a process of its own that is sent a signal before its `number`-th call.

    Returns:
        Whether it was killed; not when it made fewer calls, or ended well.
    """
    cv2.setNumThreads(1)  # OpenCV's threads would not survive the fork
    gc.freeze()  # what is here already need not be copied by the child's collections
    child = os.fork()
    if child == 0:
        code = RAISED
        try:
            before_each_call(_killer(number, by))
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


def _killer(number: int, by: int) -> Callable[..., None]:
    left = number

    def count(_name: str, *_arguments: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), by)

    return count


def before_each_call(hear: Callable[..., None]) -> None:
    """Has this process say each call to the operating system, name and arguments, before it makes it."""

    def heard(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def hearing(*arguments: Any, **settings: Any) -> Any:
            hear(name, *arguments)
            return call(*arguments, **settings)

        return hearing

    class File:
        """A file that is written to: what Python keeps in memory is not on the disk yet."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._file, name)
            return heard(f"file.{name}", found) if name in ("write", "flush", "close") else found

        def __enter__(self) -> File:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

    def opened(call: Callable[..., Any]) -> Callable[..., Any]:
        def opening(*arguments: Any, **settings: Any) -> Any:
            hear("open")
            file = call(*arguments, **settings)
            # copy_file_range and sendfile want the descriptor, which File has, too.
            return File(file) if file.writable() else file

        return opening

    class Connection(sqlite3.Connection):
        """Says what it is told to do."""

    for name in ("execute", "executemany", "executescript", "close"):
        setattr(Connection, name, heard(f"sqlite3.{name}", getattr(sqlite3.Connection, name)))
    for name in filter(functools.partial(hasattr, os), OS_CALLS):
        setattr(os, name, heard(f"os.{name}", getattr(os, name)))
    for name in ("flock", "fcntl"):
        setattr(fcntl, name, heard(f"fcntl.{name}", getattr(fcntl, name)))
    setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Connection))  # noqa: B010
    setattr(io, "open", opened(io.open))  # noqa: B010
    setattr(builtins, "open", opened(builtins.open))  # noqa: B010
