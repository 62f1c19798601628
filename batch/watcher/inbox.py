"""The watched inbox: its presence, its lock and its events."""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack
from pathlib import Path

from batch.config import WatchOptions
from batch.errors import InputError
from batch.inputs.find import Inputs
from batch.storage import locks
from batch.storage.disk import inode_of
from batch.storage.open_files import is_network_device
from batch.terminal.log import Repeated, event
from batch.watcher.events import Events

_log = logging.getLogger(__name__)

POLL_S = 5.0  # between looks at an inbox without events, or at one that is gone


def find_inputs(options: WatchOptions, path: str | None = None) -> Inputs:
    """Find the scans in the inbox.

    Args:
        options: The options of the watcher.
        path: The real path of the inbox, as a watcher knows it; None for that of now.

    Raises:
        InputError: There is no inbox, or digitbox cannot list it.
    """
    path = path or os.path.realpath(options.inbox)
    if os.path.isfile(path):
        raise InputError(
            f"the inbox {options.inbox} is a file: name its folder, or read it with digitbox run"
        )
    if not os.path.isdir(path):
        raise InputError(f"no inbox {options.inbox}: make that folder, or name another")
    return Inputs([path], options.recursive, options.outbox, options.ignore)


class InboxMonitor:
    """The watched folder, which may go away and come back.

    Attributes:
        path: Its real path, which stays if the inbox is a link that somebody changes.
        rescan_s: Seconds between two looks at all of it.
        warning: The warning about the folder.

    Args:
        options: The options of the watcher.
        events: The events of the folder.
    """

    def __init__(self, options: WatchOptions, events: Events) -> None:
        self.path = os.path.realpath(options.inbox)
        self.rescan_s = options.poll_s or options.rescan_s
        self._polls = options.poll_s is not None
        self._name, self._events = options.inbox, events
        self.warning = Repeated(_log, "inbox")
        # Device and inode of the folder that this process has locked.
        self._locked: tuple[int, int] | None = None
        self._lock = ExitStack()

    @property
    def next_look_s(self) -> float:
        """Return the seconds until the next look: few if the folder is gone."""
        return self.rescan_s if self._locked else min(POLL_S, self.rescan_s)

    def lock(self) -> None:
        """Lock the folder if it is there.

        Raises:
            BusyError: Another process has the lock.
            InputError: digitbox cannot open the folder.
        """
        self._lock_folder(inode_of(self.path))

    def close(self) -> None:
        """End the events and give the lock back."""
        self._events.stop()
        self._lock.close()

    def is_there(self) -> bool:
        """Return whether the folder is there, after locking it and starting its events if needed.

        Raises:
            BusyError: Another process has the lock.
        """
        identity = inode_of(self.path)
        if identity != self._locked:
            self._events.stop()
            try:
                self._lock_folder(identity)
            except InputError as error:
                self.warning.warn(str(error))
                return False
        if identity is None:
            self.warning.warn(f"the inbox {self._name} is gone: waiting for it")
            return False
        if not self._polls and not self._events.are_alive():
            is_network = is_network_device(identity[0])
            cause = "it is on a network file system" if is_network else self._start_events()
            if cause:
                self._polls, self.rescan_s = True, min(self.rescan_s, POLL_S)
                _log.warning(
                    f"no events of the inbox ({cause}): looking every {self.rescan_s:g} s instead",
                    extra=event("polling"),
                )
        return True

    def _start_events(self) -> str:
        """Start the events; return why that failed, or an empty text."""
        try:
            self._events.start()
        except OSError as error:
            return error.strerror or str(error)
        return ""

    def _lock_folder(self, identity: tuple[int, int] | None) -> None:
        self._lock.close()
        self._locked = None
        if identity is not None:
            try:
                self._lock.enter_context(locks.hold_folders([Path(self.path)], exclusive=True))
            except OSError as error:
                raise InputError(f"cannot open the inbox {self._name}: {error.strerror}") from error
        self._locked = identity
