"""The signals that stop the watcher, SIGTERM and Ctrl-C, and SIGHUP, which has it read its options anew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType


class StopSignal:
    """The request to stop after the batch, by SIGTERM or Ctrl-C. A second signal ends the process at once.

    SIGHUP asks to stop and to begin anew.

    Attributes:
        number: The number of the signal; 0 before one came.
        must_reload: Whether SIGHUP came; the caller sets it back.
        wake: A function that ends the watcher's wait.
    """

    def __init__(self) -> None:
        self.number = 0
        self.must_reload = False
        self.wake: Callable[[], object] = lambda: None

    def is_asked(self) -> bool:
        """Return whether a signal came."""
        return self.number != 0 or self.must_reload

    def listen(self) -> ExitStack:
        """Handle the signals until the caller closes the returned stack; an ignored signal stays ignored."""
        handlers = ExitStack()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_IGN:  # a shell or nohup does that
                continue
            handlers.callback(signal.signal, number, signal.signal(number, self._handle))
        return handlers

    def _handle(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self.must_reload = True
        elif self.number:
            os._exit(128 + number)
        else:
            self.number = number
        self.wake()
