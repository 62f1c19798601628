"""The messages of C libraries on stderr: redirected, dropped or captured.

A process has one stderr, so its threads take turns. A fork waits for the end of a turn, or stderr of the
child would stay redirected.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import tempfile
import threading
from collections.abc import Iterator

from batch.errors import check_means

STDERR = 2
KEPT_BYTES = 64 << 10  # of the beginning of what a library writes, and of its end: errors come last

turn = threading.RLock()
"""The turn of a thread: the functions below take it. It also guards libraries that write to stderr."""
os.register_at_fork(before=turn.acquire, after_in_parent=turn.release, after_in_child=turn.release)


@contextlib.contextmanager
def redirect(descriptor: int) -> Iterator[None]:
    """Redirect stderr to another descriptor."""
    with turn:
        try:
            saved = os.dup(STDERR)
        except OSError as error:
            if error.errno != errno.EBADF:
                check_means(error)
                raise
            # The process has no stderr; libraries write to whatever has its number.
            os.dup2(descriptor, STDERR)
            try:
                yield
            finally:
                os.close(STDERR)
            return
        os.dup2(descriptor, STDERR)
        try:
            yield
        finally:
            os.dup2(saved, STDERR)
            os.close(saved)


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Drop all output to stderr. `capture` inside it is fast, because stderr is redirected already."""
    with turn:
        process = os.getpid()
        if _listening == [process]:
            yield
            return
        recorder = _recorder(process)
        before = _listening[:]
        with redirect(recorder):
            _listening[:] = [process]
            try:
                yield
            finally:
                _listening[:] = before
                _cut(recorder, 0)


@contextlib.contextmanager
def capture() -> Iterator[list[bytes]]:
    """Collect the output to stderr. When the block ends, the list has it, if there was any.

    Of much output it has the beginning and the end, of `KEPT_BYTES` each.
    """
    messages: list[bytes] = []
    with turn:
        process = os.getpid()
        recorder = _recorder(process)
        if _listening == [process]:
            start = os.fstat(recorder).st_size
            yield messages
        else:
            start = 0
            with redirect(recorder):
                yield messages
        size = os.fstat(recorder).st_size
        if size > start:
            first = os.pread(recorder, KEPT_BYTES, start)
            last = os.pread(recorder, KEPT_BYTES, max(start + len(first), size - KEPT_BYTES))
            messages.append(first + last)
            _cut(recorder, start)


_listening: list[int] = []  # the process that has redirected stderr to its recorder, if there is one


def _cut(recorder: int, size: int) -> None:
    os.ftruncate(recorder, size)
    os.lseek(recorder, size, os.SEEK_SET)


@functools.cache
def _recorder(process: int) -> int:
    """Return the descriptor of a file of this process. Forked processes would share its position."""
    try:
        if hasattr(os, "memfd_create"):  # without a disk: a full one would make a damaged image look whole
            return os.memfd_create("digitbox")
        descriptor, path = tempfile.mkstemp(prefix="digitbox-")
    except OSError as error:
        check_means(error)
        raise
    os.unlink(path)
    return descriptor
