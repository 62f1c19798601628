"""The files and folders of an inbox that are no scans: digitbox leaves them there, and says each once."""

from __future__ import annotations

import logging
import os

from batch.inputs.names import Skipped, Why
from batch.terminal.log import event
from batch.text import count_others, text_cell

_log = logging.getLogger(__name__)

MAX_SHOWN = 3  # names in one line; --verbose shows the others


class OtherFiles:
    """The files and folders that a look at the inbox has passed over.

    Args:
        inbox: The path of the inbox.
    """

    def __init__(self, inbox: str) -> None:
        self._inbox = os.path.join(inbox, "")
        self._said: set[str] = set()
        self._found: set[str] = set()

    def begin(self) -> None:
        """Begin a look at the inbox."""
        self._found = set()

    def add(self, skipped: Skipped) -> None:
        """Add a file or folder that the look has met."""
        if skipped.why is not Why.UNFINISHED:
            self._found.add(skipped.shown)

    def end(self) -> None:
        """End the look, and log those that were not there at the look before."""
        names = [text_cell(path.removeprefix(self._inbox)) for path in sorted(self._found - self._said)]
        if names:
            more = f" and {len(names) - MAX_SHOWN:,} more" if len(names) > MAX_SHOWN else ""
            others, shown = count_others(len(names)), ", ".join(names[:MAX_SHOWN])
            _log.info(
                f"{others} in the inbox left alone: {shown}{more}",
                extra=event("others", count=len(self._found)),
            )
        for name in names[MAX_SHOWN:]:
            _log.debug(f"left alone: {name}", extra=event("other", file=name))
        self._said = self._found
