"""What `digitbox` prints: results on stdout; on stderr a progress bar, problems, and a summary."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import click

from batch.clock import stamp
from batch.errors import ExitCode, OutboxError
from batch.terminal.log import LogFile
from batch.text import text_cell

_log_file: LogFile | None = None
_is_quiet = False


def open_streams() -> None:
    """Gives a process that was started without stdin, stdout or stderr some that lead nowhere.

    Or else the next file that is opened, perhaps one of results, would be what C libraries take for stderr.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def set_up(log_file: LogFile | None = None, *, quiet: bool = False) -> None:
    """Says from now on what is said to a log file, too; when quiet, what is no error only to that."""
    global _log_file, _is_quiet
    _log_file, _is_quiet = log_file, quiet


def print_line(text: str | Path) -> bool:
    """Prints a result as a line of stdout; returns whether somebody still reads them.

    Raises:
        OutboxError: stdout cannot be written.
    """
    try:
        click.echo(os.fsencode(text))  # a path byte for byte, whatever the locale
    except BrokenPipeError:
        _discard_stdout()
        return False
    except OSError as error:
        raise OutboxError(f"cannot write to stdout: {error.strerror}; send it elsewhere") from error
    return True


@contextmanager
def stdout_table() -> Iterator[IO[str]]:
    """Stdout as a file of results.

    Raises:
        SystemExit: nobody reads it any more: that is not wrong.
        OutboxError: stdout cannot be written.
    """
    file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield file
        file.flush()
    except BrokenPipeError as error:
        _discard_stdout()
        raise SystemExit(ExitCode.OK) from error
    except OSError as error:
        _discard_stdout()
        raise OutboxError(f"cannot write to stdout: {error.strerror}; send it elsewhere") from error
    finally:
        file.detach()


def _discard_stdout() -> None:
    """Whoever read has enough; nor may Python fail on it when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Says one line on stderr, for people; that it cannot be said is no reason to stop."""
    _say(text, is_error=False)


def say_error(text: str) -> None:
    """Says in one line what went wrong and what to do."""
    _say(f"digitbox: {text}", is_error=True)


def say_bug(error: Exception) -> None:
    """Says what those need who are to mend it."""
    with suppress(OSError):
        traceback.print_exception(error)
    if _log_file is not None:
        for line in "".join(traceback.format_exception(error)).splitlines():
            _log_file.write(text_cell(f"{stamp()} {line}"))
    say_error(f"this is a bug, please report it: {error!r}")


def _say(text: str, *, is_error: bool) -> None:
    if _log_file is not None:
        _log_file.write(text_cell(f"{stamp()} {text}"))
    if is_error or not _is_quiet:
        with suppress(OSError):
            click.echo(text_cell(text), err=True)


def has_terminal() -> bool:
    """Whether somebody sees stderr on a terminal that can go back in a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(total: int | None) -> Iterator[Any]:
    """A bar with rate and time left on stderr; nothing where there is no terminal."""
    if total is None:
        yield lambda _: None
        return
    with click.progressbar(length=total, label="reading", show_pos=True, file=sys.stderr) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            if bar.time_per_iteration:
                bar.label = f"reading, {1 / bar.time_per_iteration:,.0f}/s"

        yield advance
