"""Events of a folder, as hints that something in it may have changed; only a look at it is sure."""

from __future__ import annotations

import logging
import os
import queue
import time
from contextlib import suppress
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

_EVENT_TYPES: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
MAX_WAITING = 100_000  # paths in the queue; a look at the folder finds the others
MAX_KNOWN = 10_000  # files of which the events say whether they are open; of others they say nothing


class Events:
    """The paths in a folder that may have changed, from events of the system.

    Args:
        folder: The folder.
        recursive: Also watch the folders in it.
    """

    def __init__(self, folder: Path, recursive: bool) -> None:
        self._folder, self._recursive = folder, recursive
        self._queue: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()
        self._observer: BaseObserver | None = None
        self._handler = _Handler(self._queue)
        self._log_handler = _LogHandler(self._handler)

    def start(self) -> None:
        """Begin to watch.

        Raises:
            OSError: The system has no more watches or threads to give, or the folder is gone.
        """
        self.stop()
        self._handler.is_open = {}
        _skip_delay()
        self._log_handler.listen()
        observer = None
        try:
            observer = Observer()
            observer.schedule(
                self._handler, str(self._folder), recursive=self._recursive, event_filter=_EVENT_TYPES
            )
            observer.start()
        except (OSError, RuntimeError) as error:
            if observer is not None:
                observer.stop()  # it does not run, but threads of its emitter may
            if isinstance(error, OSError):
                raise
            raise OSError(str(error)) from error  # there are no more threads
        self._observer = observer

    def stop(self) -> None:
        """End watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)
            self._observer = None

    def are_alive(self) -> bool:
        """Return whether events can arrive. The observer may live on although its emitters are dead."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and bool(observer.emitters)
            and all(emitter.is_alive() for emitter in observer.emitters)
        )

    def were_lost(self) -> bool:
        """Return whether events were lost since the last call. Then only a look at the folder helps."""
        has_lost, self._handler.has_lost = self._handler.has_lost, False
        return has_lost

    def is_open(self, path: str) -> bool | None:
        """Return whether somebody has a file open for writing, by its events.

        Returns:
            True from a change until somebody closes the file. False after that. None without such events.
        """
        return self._handler.is_open.get(path)

    def wait(self, seconds: float) -> dict[str, float]:
        """Wait at most `seconds` for events.

        Returns:
            Paths that may have changed, with the time of their last event, as `time.monotonic`. Empty if the
            time is up or somebody called `wake`.
        """
        times: dict[str, float] = {}
        with suppress(queue.Empty):
            times.update([self._queue.get(timeout=max(0.0, seconds))])
            while True:
                times.update([self._queue.get_nowait()])
        times.pop("", None)
        return times

    def wake(self) -> None:
        """End a `wait`; a signal handler may call this."""
        self._queue.put(("", 0.0))


class _Handler(FileSystemEventHandler):
    """A queue of paths with the times of their events, and the files that are open.

    An exception here would end the observer's thread.

    Attributes:
        has_lost: Whether events were lost.
        is_open: By path, True from a change of a file until somebody closes it, and False after that.
    """

    def __init__(self, paths: queue.SimpleQueue[tuple[str, float]]) -> None:
        self.has_lost = False
        self.is_open: dict[str, bool] = {}
        self._paths = paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note the path of an event."""
        path = os.fsdecode(event.dest_path or event.src_path)
        self._follow(event, path)
        if self._paths.qsize() < MAX_WAITING:
            self._paths.put((path, time.monotonic()))
        else:
            self.lose()

    def lose(self) -> None:
        """Note that events did not arrive."""
        self.is_open = {}
        if not self.has_lost:
            self.has_lost = True
            self._paths.put(("", 0.0))  # ends a wait; the queue must not grow with each loss

    def _follow(self, event: FileSystemEvent, path: str) -> None:
        """Note whether the file of an event is open."""
        known = self.is_open  # `lose`, called by another thread, puts an empty one in its place
        is_open: bool | None = None  # a new name may be that of a file that somebody moved or linked here
        if isinstance(event, FileMovedEvent):
            is_open = known.pop(os.fsdecode(event.src_path), None)
        elif isinstance(event, FileModifiedEvent | FileClosedEvent):
            is_open = isinstance(event, FileModifiedEvent)
        elif not isinstance(event, FileCreatedEvent):
            return
        known.pop(path, None)  # so that the newest stand last
        if is_open is not None:
            known[path] = is_open
        if len(known) > MAX_KNOWN:
            del known[next(iter(known))]


class _LogHandler(logging.Handler):
    """A handler of watchdog's log. Only there does watchdog say that the system dropped events."""

    def __init__(self, handler: _Handler) -> None:
        super().__init__(logging.WARNING)
        self._handler = handler

    def listen(self) -> None:
        """Take the messages instead of the terminal."""
        log = logging.getLogger("watchdog")
        log.propagate = False
        for handler in [handler for handler in log.handlers if isinstance(handler, _LogHandler)]:
            log.removeHandler(handler)
        log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take any message for lost events; a look too many does no harm."""
        self._handler.lose()


def _skip_delay() -> None:
    """Let watchdog deliver events without delay.

    When a file leaves the folder, watchdog holds back all events for half a second, because it may be half of
    a rename. Each batch that digitbox moves to done/ would delay the next one. digitbox needs only new names.
    """
    with suppress(ImportError):  # another system or version: slower, but as right
        from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

        InotifyMoveEventGrouper.delay = 0.0
