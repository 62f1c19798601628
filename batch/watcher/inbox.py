"""The inbox that is watched: whether it is there, that no one else reads it, and how it is heard of."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from batch.config import WatchOptions
from batch.errors import InputError
from batch.storage import locks
from batch.terminal.log import Repeated, event
from batch.watcher.events import Events, needs_polling

_log = logging.getLogger(__name__)

POLL_S = 5.0  # where events cannot be had


class InboxMonitor:
    """The folder, which may go away and come back.

    Attributes:
        path: real path of it.
        rescan_s: seconds between two looks at all of it.

    Args:
        options: what was asked for.
        events: of the folder.
    """

    def __init__(self, options: WatchOptions, events: Events) -> None:
        self.path = os.path.realpath(options.inbox)
        self.rescan_s = options.poll_s or options.rescan_s
        self._polls = options.poll_s is not None
        self._name, self._events = options.inbox, events
        self.warning = Repeated(_log, "inbox")
        self._found: tuple[int, int] | None = None  # device and inode of the folder whose lock is held
        self._lock = ExitStack()

    @property
    def next_look_s(self) -> float:
        """Seconds until it is to be looked at again: soon, where it is waited for."""
        return self.rescan_s if self._found else min(POLL_S, self.rescan_s)

    def hold(self) -> None:
        """Takes its lock, if it is there.

        Raises:
            BusyError: another process has it.
            InputError: it cannot be opened.
        """
        self._hold(self._identity())

    def close(self) -> None:
        """Hears no more of it, and gives its lock back."""
        self._events.stop()
        self._lock.close()

    def is_there(self) -> bool:
        """Whether it is there; sees to it that its events are heard, and that no one else reads it.

        Raises:
            BusyError: another process has it.
        """
        found = self._identity()
        if found != self._found:
            self._events.stop()
            try:
                self._hold(found)
            except InputError as error:
                self.warning.warn(str(error))
                return False
        if found is None:
            self.warning.warn(f"the inbox {self._name} is gone: waiting for it")
            return False
        if not self._polls and not self._events.are_alive():
            try:
                if needs_polling(Path(self.path)):
                    raise OSError("it is on a network file system")
                self._events.start()
            except OSError as error:
                self._polls, self.rescan_s = True, min(self.rescan_s, POLL_S)
                why = error.strerror or str(error)
                _log.warning(
                    f"no events of the inbox ({why}): looking every {self.rescan_s:g} s instead",
                    extra=event("polling"),
                )
        return True

    def _hold(self, found: tuple[int, int] | None) -> None:
        self._lock.close()
        self._found = None
        if found is not None:
            busy = f"another digitbox is reading {self._name}: wait for it, or watch another folder"
            try:
                self._lock.enter_context(locks.hold(Path(self.path), exclusive=True, busy=busy))
            except OSError as error:
                raise InputError(f"cannot open the inbox {self._name}: {error.strerror}") from error
        self._found = found

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino
