"""The signals that stop the watcher: SIGTERM and Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType


class StopSignal:
    """The request to stop after the batch, by SIGTERM or Ctrl-C. A second signal ends the process at once.

    Attributes:
        number: The number of the signal; 0 before one came.

    Args:
        wake: A function that ends the watcher's wait.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.number = 0
        self._wake = wake

    def is_asked(self) -> bool:
        """Return whether a signal came."""
        return self.number != 0

    def listen(self) -> ExitStack:
        """Handle the signals until the caller closes the returned stack; an ignored Ctrl-C stays ignored."""
        handlers = ExitStack()
        for number in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(number) is signal.SIG_IGN:  # a shell does that for background jobs
                continue
            handlers.callback(signal.signal, number, signal.signal(number, self._handle))
        return handlers

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number
        self._wake()
