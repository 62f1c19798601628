"""Commands of the user's that are called when a run has ended."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

from batch.errors import ConfigError

TIMEOUT_S = 60.0


def check(command: str) -> str:
    """Checks a command before the run; returns what is wrong with it that may be mended until its end.

    Raises:
        ConfigError: it is no command.
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
    """Calls a command, without a shell, and waits for it; what it prints goes to stderr.

    Args:
        command: is split into words as a shell would.
        content: for its stdin.
        environment: all of its environment.
        timeout_s: after which it and what it has started are ended.

    Returns:
        What went wrong; empty when nothing did.
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
