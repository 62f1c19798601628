"""The messages of C libraries on stderr: redirected, dropped or captured."""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator

STDERR = 2


@contextlib.contextmanager
def redirect(descriptor: int) -> Iterator[None]:
    """Redirect stderr to another descriptor."""
    try:
        saved = os.dup(STDERR)
    except OSError:  # the process has no stderr to redirect
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
    """Drop all output to stderr."""
    with open(os.devnull, "wb") as nothing, redirect(nothing.fileno()):
        yield


@contextlib.contextmanager
def capture() -> Iterator[list[bytes]]:
    """Collect the output to stderr. When the block ends, the list has it, if there was any."""
    messages: list[bytes] = []
    recorder = _recorder(os.getpid())
    with redirect(recorder):
        yield messages
    size = os.fstat(recorder).st_size
    if size:
        messages.append(os.pread(recorder, min(size, 1 << 16), 0))
        os.lseek(recorder, 0, os.SEEK_SET)
        os.ftruncate(recorder, 0)


@functools.cache
def _recorder(process: int) -> int:
    """Return the descriptor of a file of this process. Forked processes would share its position."""
    if hasattr(os, "memfd_create"):  # without a disk: a full one would make a damaged image look whole
        return os.memfd_create("digitbox")
    descriptor, path = tempfile.mkstemp(prefix="digitbox-")
    os.unlink(path)
    return descriptor
