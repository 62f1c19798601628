"""The log of digitbox: lines on stderr and in a file, as sentences or JSON objects.

Every module logs with the standard library (`logging.getLogger(__name__)`). Programs that embed digitbox can
listen to the logger `batch`. Only the command line calls `set_up`.
"""

from __future__ import annotations

import errno
import json
import logging
import logging.handlers
import os
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from batch.clock import iso
from batch.errors import ConfigError
from batch.text import text_cell

_ROOT = logging.getLogger("batch")
_ROOT.addHandler(logging.NullHandler())  # else Python prints warnings in programs that set up no logging


def event(name: str, **fields: object) -> dict[str, Any]:
    """Return the argument `extra=` of a log call, for the JSON lines.

    Args:
        name: A machine word for what happened.
        fields: Its facts.
    """
    return {"event": name, "fields": fields}


def set_up(
    *,
    log_format: str = "text",
    quiet: bool = False,
    verbose: bool = False,
    with_times: bool = False,
    file: Path | None = None,
) -> None:
    """Send the log of digitbox to stderr and to a file.

    Args:
        log_format: `text` or `json`.
        quiet: Send only warnings and errors to stderr.
        verbose: Send details, too.
        with_times: Begin the sentences on stderr with the time; those in a file always do.
        file: File to append to; its folder must exist. None for no file.

    Raises:
        ConfigError: digitbox cannot open the file.
    """
    log_file = _LogFile(file) if file is not None else None
    for handler in _ROOT.handlers[:]:
        if isinstance(handler, _Stderr | _LogFile):
            _ROOT.removeHandler(handler)
            handler.close()
    stderr = _Stderr()
    stderr.setLevel(logging.WARNING if quiet else logging.DEBUG)
    stderr.setFormatter(_Json() if log_format == "json" else _Sentences(with_times, with_times))
    _ROOT.addHandler(stderr)
    if log_file is not None:
        log_file.setFormatter(_Json() if log_format == "json" else _Sentences(True, with_times))
        _ROOT.addHandler(log_file)
    _ROOT.setLevel(logging.DEBUG if verbose else logging.INFO)
    # TensorFlow gives the root logger of Python a handler, which would print the lines again.
    _ROOT.propagate = False


def check_file(path: Path) -> None:
    """Check that digitbox can append to a log file, and make none.

    Raises:
        ConfigError: Its folder does not exist, or digitbox may not write there.
    """
    place = path if os.path.exists(path) else path.parent
    if not os.access(place, os.W_OK):
        problem = os.strerror(errno.EACCES if os.path.exists(place) else errno.ENOENT)
        raise _file_error(path, problem)


class Repeated:
    """A warning that may come again and again; the log gets it when it changes.

    Args:
        logger: The logger.
        name: The machine word of the event.
    """

    def __init__(self, logger: logging.Logger, name: str) -> None:
        self._logger, self._name, self._text = logger, name, ""

    def warn(self, text: str) -> None:
        """Log a warning if it differs from the last one; an empty text means that all is well again."""
        if text and text != self._text:
            self._logger.warning(text, extra=event(self._name))
        self._text = text


class _Stderr(logging.StreamHandler[TextIO]):
    """The present stderr. digitbox goes on if it cannot write to it."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Ignore the error, e.g. a full disk behind stderr."""


class _LogFile(logging.handlers.WatchedFileHandler):
    """A file that digitbox makes anew after somebody rotated it away."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise _file_error(path, error.strerror) from error

    def emit(self, record: logging.LogRecord) -> None:
        # If the folder of the file is gone, Python's handler raises the error.
        with suppress(OSError):
            super().emit(record)

    def _open(self) -> Any:
        # The file may be a pipe that nobody reads. digitbox does not wait for a reader.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self.baseFilename, flags, 0o666)
        return open(descriptor, "a", encoding=self.encoding, errors=self.errors)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Ignore the error, e.g. a full disk."""


def _file_error(path: Path, problem: str | None) -> ConfigError:
    return ConfigError(f"cannot write to the log file {path}: {problem}; give another --log-file")


class _Sentences(logging.Formatter):
    """Sentences for people.

    Args:
        with_time: Begin with the time.
        plain_warnings: Leave out `digitbox: warning:`, for the log of a service.
    """

    def __init__(self, with_time: bool, plain_warnings: bool) -> None:
        super().__init__()
        self._with_time, self._plain_warnings = with_time, plain_warnings

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.levelno >= logging.ERROR:
            text = f"digitbox: {text}"
        elif record.levelno == logging.WARNING and not self._plain_warnings:
            text = f"digitbox: warning: {text}"
        time = f"{_time(record)} " if self._with_time else ""
        return "\n".join(text_cell(f"{time}{line}") for line in [*_traceback(record), text])


class _Json(logging.Formatter):
    """A JSON object a line, for programs."""

    def format(self, record: logging.LogRecord) -> str:
        name = getattr(record, "event", record.levelname.lower())
        values = {"time": _time(record), "level": record.levelname.lower(), "event": name}
        trace = {"traceback": lines} if (lines := _traceback(record)) else {}
        return json.dumps({**values, "text": record.getMessage(), **trace, **getattr(record, "fields", {})})


def _time(record: logging.LogRecord) -> str:
    return iso(datetime.fromtimestamp(record.created, UTC))


def _traceback(record: logging.LogRecord) -> list[str]:
    if not record.exc_info or record.exc_info[1] is None:
        return []
    return "".join(traceback.format_exception(record.exc_info[1])).splitlines()
