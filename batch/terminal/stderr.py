"""What C libraries write to the terminal behind Python's back: kept off it, and listened to."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator

STDERR = 2


@contextlib.contextmanager
def redirect(descriptor: int) -> Iterator[None]:
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
def silence() -> Iterator[None]:
    """Drops what is written to stderr."""
    with open(os.devnull, "wb") as nothing, redirect(nothing.fileno()):
        yield


@contextlib.contextmanager
def capture() -> Iterator[list[bytes]]:
    """Collects what is written to stderr; the list has it, if there was any, when the block ends."""
    said: list[bytes] = []
    recorder = _recorder(os.getpid())
    with redirect(recorder):
        yield said
    size = os.fstat(recorder).st_size
    if size:
        said.append(os.pread(recorder, min(size, 1 << 16), 0))
        os.lseek(recorder, 0, os.SEEK_SET)
        os.ftruncate(recorder, 0)


@functools.cache
def _recorder(process: int) -> int:
    """Descriptor of a file of this process alone: forked ones would share its position."""
    if hasattr(os, "memfd_create"):  # a full disk must not make a damaged image look whole
        return os.memfd_create("digitbox")
    descriptor, path = tempfile.mkstemp(prefix="digitbox-")
    os.unlink(path)
    return descriptor
