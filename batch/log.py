"""Lines about what happens, for people or for programs."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


class Log:
    """Writes a line an event to stderr, at once.

    Args:
        as_json: one JSON object a line, instead of a time and a sentence.
        quiet: warnings only.
        verbose: details, too.
    """

    def __init__(self, *, as_json: bool = False, quiet: bool = False, verbose: bool = False) -> None:
        self._as_json, self._quiet, self._verbose = as_json, quiet, verbose

    def detail(self, event: str, text: str, **fields: object) -> None:
        """Says what only some want to know."""
        if self._verbose:
            self._write(event, text, fields)

    def info(self, event: str, text: str, **fields: object) -> None:
        """Says what is as it should be."""
        if not self._quiet:
            self._write(event, text, fields)

    def warning(self, event: str, text: str, **fields: object) -> None:
        """Says what somebody should look at."""
        self._write(event, text, fields)

    def _write(self, event: str, text: str, fields: dict[str, object]) -> None:
        time = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if self._as_json:
            line = json.dumps({"time": time, "event": event, "text": text, **fields})
        else:
            line = f"{time} {text}"
        print(line, file=sys.stderr, flush=True)
