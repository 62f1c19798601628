"""Told to stop: by SIGTERM, or by Ctrl-C."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType


class StopSignal:
    """Is told by SIGTERM and Ctrl-C to stop when the batch is done; told twice, the process ends at once.

    Attributes:
        number: of the signal; 0 as long as there was none.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.number = 0
        self._wake = wake

    def is_asked(self) -> bool:
        """Whether there was a signal."""
        return self.number != 0

    def listen(self) -> ExitStack:
        """Handles the signals until what is returned is closed."""
        before = ExitStack()
        for number in (signal.SIGTERM, signal.SIGINT):
            before.callback(signal.signal, number, signal.signal(number, self._hear))
        # By it, the kernel asks for a lease back, which `has_writer` holds for an instant.
        before.callback(signal.signal, signal.SIGIO, signal.signal(signal.SIGIO, signal.SIG_IGN))
        return before

    def _hear(self, number: int, _: FrameType | None) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number
        self._wake()
