"""Lines about what happens, for people or for programs."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path

from batch.clock import stamp
from batch.errors import ConfigError
from batch.text import text_cell


class LogFile:
    """A file to which lines are appended; made anew when it was rotated away.

    That it cannot be written (the disk is full) is no reason to stop.

    Args:
        path: of the file; made if need be, its folder is not.

    Raises:
        ConfigError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = self._opened()
        except OSError as error:
            raise ConfigError(
                f"cannot write to the log file {path}: {error.strerror}; give another --log-file"
            ) from error

    def write(self, line: str) -> None:
        """Appends one line."""
        with suppress(OSError):
            self._follow()
            os.write(self._file, f"{line}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)

    def _opened(self) -> int:
        # Not to wait for who reads a pipe. What was truncated meanwhile is gone on with at its new end.
        return os.open(
            self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666
        )

    def _follow(self) -> None:
        with suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self._path), os.fstat(self._file)):
                return
        old, self._file = self._file, self._opened()
        os.close(old)


class Log:
    """Writes a line an event to stderr, at once, and to a file.

    Args:
        as_json: one JSON object a line, instead of a time and a sentence.
        quiet: warnings only, but for the file.
        verbose: details, too.
        file: receives the lines as well.
    """

    def __init__(
        self,
        *,
        as_json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        file: LogFile | None = None,
    ) -> None:
        self._as_json, self._quiet, self._verbose, self._file = as_json, quiet, verbose, file
        self._warned: dict[str, str] = {}

    def detail(self, event: str, text: str, **fields: object) -> None:
        """Says what only some want to know."""
        if self._verbose:
            self._write(event, text, fields, is_said=True)

    def info(self, event: str, text: str, **fields: object) -> None:
        """Says what is as it should be."""
        self._write(event, text, fields, is_said=not self._quiet)

    def warning(self, event: str, text: str, **fields: object) -> None:
        """Says what somebody should look at."""
        self._write(event, text, fields, is_said=True)

    def warn_once(self, event: str, text: str) -> None:
        """Warns unless it has said the same already; an empty text says that all is well again."""
        if text and self._warned.get(event) != text:
            self.warning(event, text)
        self._warned[event] = text

    def _write(self, event: str, text: str, fields: dict[str, object], *, is_said: bool) -> None:
        if self._as_json:
            line = json.dumps({"time": stamp(), "event": event, "text": text, **fields})
        else:
            line = text_cell(f"{stamp()} {text}")
        if self._file is not None:
            self._file.write(line)
        if is_said:
            with suppress(OSError):  # of a stderr that leads to a full disk
                print(line, file=sys.stderr, flush=True)
