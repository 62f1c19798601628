"""Results on stdout, and a progress bar on stderr."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from batch.errors import ExitCode, OutboxError
from batch.terminal.log import event

_log = logging.getLogger(__name__)


def open_streams() -> None:
    """Open stdin, stdout and stderr to /dev/null if the process was started without them.

    Otherwise the next file that opens, perhaps one of results, would become stderr for C libraries.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def print_line(text: str | Path) -> bool:
    """Print a result as a line on stdout.

    Returns:
        False if nobody reads stdout any more.

    Raises:
        OutboxError: digitbox cannot write to stdout.
    """
    try:
        click.echo(os.fsencode(text))  # a path stays the same bytes in every locale
    except BrokenPipeError:
        _discard_stdout()
        return False
    except OSError as error:
        raise _stdout_error(error) from error
    return True


@contextmanager
def printing_help() -> Iterator[None]:
    """Treat a stdout that is full or that nobody reads as `print_line` does, while click prints help.

    Raises:
        SystemExit: Nobody reads stdout any more; the exit code is 0.
        OutboxError: digitbox cannot write to stdout.
    """
    try:
        yield
    except OSError as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is None or trace.tb_frame.f_code is not click.echo.__code__:
            raise
        if isinstance(error, BrokenPipeError):
            _discard_stdout()
            raise SystemExit(ExitCode.OK) from error
        raise _stdout_error(error) from error


def _stdout_error(error: OSError) -> OutboxError:
    """Return the error for people if digitbox cannot write to stdout; nothing more goes there."""
    _discard_stdout()
    return OutboxError(f"cannot write to stdout: {error.strerror}; send it elsewhere")


@contextmanager
def stdout_table() -> Iterator[IO[str]]:
    """Yield stdout as a file of results.

    Raises:
        SystemExit: Nobody reads stdout any more; the exit code is 0.
        OutboxError: digitbox cannot write to stdout.
    """
    file = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield file
        file.flush()
    except BrokenPipeError as error:
        _discard_stdout()
        raise SystemExit(ExitCode.OK) from error
    except OSError as error:
        raise _stdout_error(error) from error
    finally:
        file.detach()


def _discard_stdout() -> None:
    """Point stdout to /dev/null, so that Python can flush it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def empty_stderr() -> None:
    """Drop what stderr does not take, or Python would end with 120 as it cannot flush it."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def say(text: str) -> None:
    """Log a sentence for the person who called the command."""
    _log.info(text, extra=event("note"))


def has_terminal() -> bool:
    """Return whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(total: int | None) -> Iterator[Any]:
    """Show a progress bar with rate and remaining time on stderr.

    Args:
        total: The number of steps; None shows nothing.

    Yields:
        A function that takes the number of finished steps.
    """
    if total is None:
        yield lambda _: None
        return
    with click.progressbar(length=total, label="reading", show_pos=True, file=sys.stderr) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            if bar.time_per_iteration:
                bar.label = f"reading, {1 / bar.time_per_iteration:,.0f}/s"

        yield advance
