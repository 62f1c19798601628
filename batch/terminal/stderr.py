"""The messages of C libraries on stderr: dropped or captured.

A process has one stderr, so its threads take turns. A fork waits for the end of a turn, or stderr of the
child would stay redirected.
"""

from __future__ import annotations

import contextlib
import errno
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
def silence() -> Iterator[None]:
    """Drop all output to stderr. `capture` inside it is fast, because stderr is redirected already."""
    with turn, _recording():
        yield


@contextlib.contextmanager
def capture() -> Iterator[list[bytes]]:
    """Collect the output to stderr. When the block ends, the list has it, if there was any.

    Of much output it has the beginning and the end, of `KEPT_BYTES` each.
    """
    messages: list[bytes] = []
    with turn, _recording() as recorder:
        start = os.fstat(recorder).st_size
        yield messages
        size = os.fstat(recorder).st_size
        if size > start:
            first = os.pread(recorder, KEPT_BYTES, start)
            last = os.pread(recorder, KEPT_BYTES, max(start + len(first), size - KEPT_BYTES))
            messages.append(first + last)
            os.ftruncate(recorder, start)
            os.lseek(recorder, start, os.SEEK_SET)


_recorders: dict[int, int] = {}  # the file to which a process has redirected its stderr, if there is one


@contextlib.contextmanager
def _recording() -> Iterator[int]:
    """Redirect stderr to a file, and yield its descriptor; inside another block, to the same file.

    Each file is a new one. A program that another thread starts meanwhile keeps its file as stderr, so what
    it writes later must not be heard as a message of a decoder.

    Ctrl-C comes after a call, before Python stores what the call returns. So one call makes a descriptor and
    stores it, and one call closes all of them.
    """
    process = os.getpid()  # a forked process would share the position in the file
    if process in _recorders:
        yield _recorders[process]
        return
    recorder: list[int] = []
    saved: list[int] = []
    is_closed = False
    try:
        _make_file(recorder)
        try:
            saved.extend(map(os.dup, [STDERR]))
        except OSError as error:
            if error.errno != errno.EBADF:
                check_means(error)
                raise
            is_closed = True  # the process has no stderr; libraries write to whatever has its number
        os.dup2(recorder[0], STDERR)
        _recorders[process] = recorder[0]
        try:
            yield recorder[0]
        finally:
            del _recorders[process]
    finally:
        try:
            if saved:
                os.dup2(saved[0], STDERR)
            elif is_closed:
                os.close(STDERR)
        finally:
            list(map(os.close, saved + recorder))


def _make_file(kept: list[int]) -> None:
    """Add the descriptor of a new file without a name to a list."""
    try:
        if hasattr(os, "memfd_create"):  # without a disk: a full one would make a damaged image look whole
            kept.extend(map(os.memfd_create, ["digitbox"]))
            return
        descriptor, path = tempfile.mkstemp(prefix="digitbox-")
    except OSError as error:
        check_means(error)
        raise
    kept.append(descriptor)
    os.unlink(path)
