"""Events of a folder: hints that something in it may have changed. The truth is what a look at it finds."""

from __future__ import annotations

import logging
import os
import queue
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

_WANTED: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]
MAX_WAITING = 100_000  # paths; what more there is, a look at the folder finds
# File systems on which other machines write: this one's kernel hears nothing of that.
_REMOTE = ("nfs", "cifs", "smb", "9p", "fuse.", "afs", "ceph", "glusterfs", "vboxsf", "virtiofs", "prl_fs")


class Events:
    """Watches a folder, and hands over the paths in it that may have changed.

    Args:
        folder: to watch.
        recursive: with the folders in it.
    """

    def __init__(self, folder: Path, recursive: bool) -> None:
        self._folder, self._recursive = folder, recursive
        self._queue: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._observer: BaseObserver | None = None
        self._handler = _Handler(self._queue)
        self._complaints = _Complaints(self._handler)

    def start(self) -> None:
        """Begins to watch.

        Raises:
            OSError: there are too many watches in this system, or the folder is gone.
        """
        self.stop()
        _hurry()
        self._complaints.listen()
        observer = Observer()
        observer.schedule(self._handler, str(self._folder), recursive=self._recursive, event_filter=_WANTED)
        self._observer = observer
        try:
            observer.start()
        except OSError:
            # The observer itself does not run, but a thread of it does.
            observer.stop()
            self._observer = None
            raise

    def stop(self) -> None:
        """Ends watching."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(5)
            self._observer = None

    def are_alive(self) -> bool:
        """Whether events would arrive: the observer may live on when what feeds it is dead."""
        observer = self._observer
        return (
            observer is not None
            and observer.is_alive()
            and bool(observer.emitters)
            and all(emitter.is_alive() for emitter in observer.emitters)
        )

    def were_lost(self) -> bool:
        """Whether events were lost since this was asked last: only a look at the folder helps."""
        lost, self._handler.has_lost = self._handler.has_lost, False
        return lost

    def wait(self, seconds: float) -> set[str]:
        """Waits for events, for at most so long.

        Returns:
            Paths that may have changed; empty when the time is up, or `wake` was called.
        """
        paths: set[str] = set()
        with suppress(queue.Empty):
            paths.add(self._queue.get(timeout=max(0.0, seconds)))
            while True:
                paths.add(self._queue.get_nowait())
        return paths - {""}

    def wake(self) -> None:
        """Ends a `wait`; may be called by a signal handler."""
        self._queue.put("")


class _Handler(FileSystemEventHandler):
    """Only notes paths: an exception here would end the observer's thread."""

    def __init__(self, paths: queue.SimpleQueue[str]) -> None:
        self.has_lost = False
        self._paths = paths

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Notes where something is new or changed."""
        if self._paths.qsize() < MAX_WAITING:
            self._paths.put(os.fsdecode(event.dest_path or event.src_path))
        else:
            self.has_lost = True

    def lose(self) -> None:
        """Notes that there were events that did not arrive."""
        self.has_lost = True
        self._paths.put("")


class _Complaints(logging.Handler):
    """Hears what watchdog has to say: that the system dropped events, it tells to its log alone."""

    def __init__(self, handler: _Handler) -> None:
        super().__init__(logging.WARNING)
        self._handler = handler

    def listen(self) -> None:
        """Hears it from now on, in the place of the terminal."""
        log = logging.getLogger("watchdog")
        log.propagate = False
        for other in [other for other in log.handlers if isinstance(other, _Complaints)]:
            log.removeHandler(other)
        log.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Takes any complaint for lost events: a look too many does no harm."""
        self._handler.lose()


def _hurry() -> None:
    """Has watchdog hand over events at once.

    When a file leaves the folder, it holds back all events for half a second, for this may be one half of
    a rename. Each batch that is moved to done/ would cost the next that time; here, only new names count.
    """
    with suppress(ImportError):  # not of Linux, or of another version: slower, and no less right
        from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

        InotifyMoveEventGrouper.delay = 0.0


def needs_polling(folder: Path) -> bool:
    """Whether a folder lies on a file system whose changes this machine may not hear of."""
    found = ("", "")
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    real = str(folder.resolve())
    for line in mounts.splitlines():
        _device, place, kind, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        if (real == place or real.startswith(place.rstrip("/") + "/")) and len(place) >= len(found[0]):
            found = place, kind
    return found[1].startswith(_REMOTE)
