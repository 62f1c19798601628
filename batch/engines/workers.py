"""Worker processes: each reads the scans that its parent sends, and gives signs of life meanwhile."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkContext, SpawnContext
from typing import NamedTuple, Protocol

import cv2

from batch import opencv
from batch.engines.paged import Loss, PagedScan, PageRequest
from batch.errors import MeansError, RunError
from batch.records import Beat, Outcome, Reason, ScanRef

opencv.stop_at_forks()


class ScanReader(Protocol):
    """A picklable reader of scans; `batch.inference.reader.Reader` is the real one."""

    def __call__(self, refs: Sequence[ScanRef], beat: Beat, /) -> list[Outcome]:
        """Return the outcomes of each scan, in the same order.

        A scan of several pages has an outcome for each. One of very many pages has a single outcome instead,
        which is `several_pages`.
        """

    def pages(self, ref: ScanRef, first: int, *, one_by_one: bool, beat: Beat) -> Iterator[list[Outcome]]:
        """Yield the outcomes of one scan from a page on, a few at a time.

        The first outcome is `several_pages` with the number of pages, unless there is only one outcome.
        """


class Progress(NamedTuple):
    """Some pages of a scan, while the worker reads on."""

    outcomes: list[Outcome]


Answer = list[Outcome] | Progress | Loss | Exception | None
"""What a worker says: outcomes, some of them, an error of the reader, or None for a sign of life."""

BEAT_S = 0.05  # between two signs of life at least: they cost more than small scans
KILL_PATIENCE_S = 5.0  # for a killed worker to end; the kernel may hold it while a disk does not answer


class Worker:
    """A worker process, as its parent sees it.

    It shares no lock, queue or file with other workers. So it may die or be killed at any moment, and each
    worker can be replaced alone. Workers change nothing but their own memory.

    Attributes:
        connection: The pipe to it.
        is_ready: True as soon as it has loaded its model.
        silent_s: Seconds since its last sign of life, without those in which nobody listened.
        forks: Whether it is a fork of this process, and not a new Python.

    Args:
        reader: Reads scans. The process builds its own model from it, once.
        forks: Fork this process, which takes a tenth of the time of a new Python.
        limit_s: Seconds after which an unfinished message counts as lost; None for no limit.

    Raises:
        OSError: The system has no process, descriptor or memory for it.
    """

    def __init__(self, reader: ScanReader, *, forks: bool, limit_s: float | None) -> None:
        if multiprocessing.current_process().daemon:
            raise OSError("this process is a daemon of multiprocessing")
        context: ForkContext | SpawnContext
        context = multiprocessing.get_context("fork") if forks else multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        # A new Python gets the reader once it is there: `start` would wait for ever for one that dies first.
        self._unsent = None if forks else reader
        inherited = (reader, self.connection) if forks else (None, None)
        self._process = context.Process(target=_serve, args=(theirs, *inherited))
        try:
            if limit_s is not None:
                _limit(self.connection, limit_s)
            self._process.start()
        except BaseException:
            self.connection.close()
            raise
        finally:
            theirs.close()
        self.is_ready = False
        self.silent_s = 0.0
        self.forks = forks

    def send(self, scans: Sequence[ScanRef] | PageRequest) -> None:
        """Give the worker scans to read, or the pages of one.

        Raises:
            OSError: It is dead, or stopped.
        """
        self.silent_s = 0.0
        self.connection.send(scans)

    def receive(self) -> Answer:
        """Return what the worker says.

        Raises:
            BlockingIOError: The worker stopped in the middle of a message.
            EOFError, OSError: It is dead.
        """
        self.silent_s = 0.0
        message: Answer = self.connection.recv()
        if self._unsent is not None:
            self.connection.send(self._unsent)
            self._unsent = None
        return message

    def kill(self) -> None:
        """End the worker, whatever it does."""
        self._process.kill()
        self.connection.close()
        self._process.join(KILL_PATIENCE_S)


def load(reader: ScanReader) -> None:
    """Load the model of a reader.

    Raises:
        MeansError: There is too little memory.
        RunError: The reader says why the run cannot go on.
        Exception: A bug.
    """
    try:
        reader([], lambda: None)
    except Exception as error:
        if not _lacks_memory(error):
            raise
        raise MeansError(
            "there is too little memory for the model: use fewer --workers, or give digitbox more memory"
        ) from error


def read_all(reader: ScanReader, refs: Sequence[ScanRef], beat: Beat = lambda: None) -> list[Outcome]:
    """Read scans; give a scan that meets a bug a failed outcome, and read the others all the same.

    Args:
        reader: Reads scans.
        refs: One scan or more.
        beat: A function that the reader calls before each image.

    Returns:
        One outcome for each page of each scan, in the same order.

    Raises:
        RunError: The run cannot go on.
        Exception: A bug that no scan is to blame for.
    """
    try:
        return reader(refs, beat)
    except RunError:
        raise
    except Exception as error:
        if not _lacks_memory(error):
            load(reader)  # raises again if no scan is to blame
        if len(refs) == 1:
            scan = PagedScan(refs[0])
            read_by_pages(reader, scan, beat)
            return scan.outcomes
    middle = len(refs) // 2
    return read_all(reader, refs[:middle], beat) + read_all(reader, refs[middle:], beat)


def read_by_pages(reader: ScanReader, scan: PagedScan, beat: Beat = lambda: None) -> None:
    """Read a scan page by page in this process, e.g. because one of its pages meets a bug.

    Raises:
        RunError: The run cannot go on.
        Exception: A bug that no scan is to blame for.
    """
    while not scan.is_done:
        scan.end(_send_pages(reader, scan.request, scan.add, beat))


def _send_pages(
    reader: ScanReader,
    request: PageRequest,
    send: Callable[[list[Outcome]], object],
    beat: Beat,
) -> list[Outcome] | Loss:
    """Read the pages of a scan, and send them as they come.

    Args:
        reader: Reads scans.
        request: The scan, and the page to begin with.
        send: Receives the outcomes of some pages.
        beat: A function that the reader calls before each page.

    Returns:
        No more outcomes after the last page; else why it went no further.

    Raises:
        RunError: The run cannot go on.
        Exception: A bug that no scan is to blame for.
    """
    is_open = False
    try:
        for outcomes in reader.pages(request.ref, request.first, one_by_one=request.one_by_one, beat=beat):
            is_open = True
            send(outcomes)
    except RunError:
        raise
    except Exception as error:
        if _lacks_memory(error):
            return Loss(Reason.NO_MEMORY)
        load(reader)  # raises again if no scan is to blame
        if request.one_by_one or not is_open:
            traceback.print_exc()
        return Loss(Reason.WORKER_CRASHED)
    return []


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (
        isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem
    )


def _limit(connection: Connection, seconds: float) -> None:
    """Limit how long a message may take in the middle, e.g. if the other process is stopped."""
    interval = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6) or 1)
    with socket.socket(fileno=os.dup(connection.fileno())) as pipe:
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            pipe.setsockopt(socket.SOL_SOCKET, direction, interval)


def _serve(connection: Connection, reader: ScanReader | None, parents: Connection | None) -> None:
    """Read the scans that the parent sends, in a process of its own, until the parent closes the pipe.

    Args:
        connection: The pipe to the parent.
        reader: Reads scans; None if the parent sends it as soon as this process says that it is there.
        parents: The parent's end of the pipe, if this process has a copy. With it, the pipe never ends.
    """
    # Ctrl-C and a service manager's SIGTERM reach every process. The parent decides what they mean.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if parents is not None:
        parents.close()
    cv2.setNumThreads(1)  # there is a worker for each core
    with contextlib.suppress(RuntimeError):  # there may be no more threads: then the pipe tells, only later
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    due_s = 0.0

    def send(message: Answer) -> None:
        try:
            connection.send(message)
        except OSError:
            os._exit(1)  # the parent is gone

    def beat() -> None:
        nonlocal due_s
        if (now := time.monotonic()) >= due_s:
            due_s = now + BEAT_S
            send(None)

    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        if reader is None:
            connection.send(None)
            reader = connection.recv()
            assert reader is not None
        message: Answer = []  # the model is loaded
        try:
            load(reader)
        except Exception as error:
            message = _portable(error)
        while True:
            connection.send(message)
            scans = connection.recv()
            try:
                if isinstance(scans, PageRequest):
                    message = _send_pages(reader, scans, lambda outcomes: send(Progress(outcomes)), beat)
                else:
                    message = read_all(reader, scans, beat)
            except Exception as error:
                message = _portable(error)


def _portable(error: Exception) -> Exception:
    """Return an error that survives pickling, with its traceback as a note."""
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    except Exception:  # whatever is wrong with an error that does not travel
        return RuntimeError("".join(traceback.format_exception(error)))
    return error


def _exit_with_parent() -> None:
    """End this worker when somebody kills its parent: nobody else would end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
