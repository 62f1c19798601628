"""What C libraries write to the terminal behind Python's back: kept off it, and listened to."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from typing import IO

STDERR = 2


@contextlib.contextmanager
def redirected(descriptor: int) -> Iterator[None]:
    """Sends what is written to stderr to another descriptor."""
    try:
        saved = os.dup(STDERR)
    except OSError:  # started without a stderr: nothing can be written to it
        yield
        return
    os.dup2(descriptor, STDERR)
    try:
        yield
    finally:
        os.dup2(saved, STDERR)
        os.close(saved)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what is written to stderr."""
    with open(os.devnull, "wb") as nothing, redirected(nothing.fileno()):
        yield


@contextlib.contextmanager
def heard() -> Iterator[list[bytes]]:
    """Collects what is written to stderr; the list has it, if there was any, when the block ends."""
    said: list[bytes] = []
    file = _recorder(os.getpid())
    with redirected(file.fileno()):
        yield said
    size = os.fstat(file.fileno()).st_size
    if size:
        said.append(os.pread(file.fileno(), min(size, 1 << 16), 0))
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        os.ftruncate(file.fileno(), 0)


@functools.cache
def _recorder(process: int) -> IO[bytes]:
    """A file of this process alone: forked ones would share its position."""
    return tempfile.TemporaryFile(prefix="digitbox-")
