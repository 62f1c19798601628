"""Commands of the user that digitbox calls when a run has ended."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from batch.errors import ConfigError

TIMEOUT_S = 60.0  # a hook that hangs must not keep the next run waiting; docs/nightly.md names it


def check(command: str) -> str:
    """Check a command before the run.

    Args:
        command: Program and arguments, quoted as for a shell.

    Returns:
        A problem that the user can still mend while the run goes on; empty if there is none.

    Raises:
        ConfigError: The text is no command.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ConfigError(
            f"{command!r} cannot be split into words ({error}): quote it as for a shell"
        ) from error
    if not words:
        raise ConfigError("an empty command cannot be called: give one, or leave the option out")
    return "" if shutil.which(words[0]) else f"no such command: {words[0]}"


def call(command: str, content: bytes, environment: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> str:
    """Call a command without a shell, and wait for it; its stdout goes to stderr.

    Args:
        command: Program and arguments, quoted as for a shell.
        content: Content of its stdin.
        environment: Its whole environment.
        timeout_s: Seconds after which digitbox kills it and the processes that it started.

    Returns:
        The problem, in a few words; empty if there is none.
    """
    words = shlex.split(command)
    try:
        process = subprocess.Popen(  # noqa: S603, the user's own command
            words, stdin=subprocess.PIPE, stdout=2, env=environment, start_new_session=True
        )
    except OSError as error:
        return f"cannot be called: {error.strerror}"
    try:
        process.communicate(content, timeout_s)
    except subprocess.TimeoutExpired:
        return f"took more than {timeout_s:g} s, and was ended"
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode < 0:
        return f"was ended by signal {-process.returncode}"
    return f"ended with {process.returncode}" if process.returncode else ""
