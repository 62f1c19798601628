"""The news of a run that has ended, for a file, a program and a monitor.

A notification that fails makes a warning. Only a summary that digitbox cannot write changes the exit code.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from batch.config import NotifyOptions
from batch.errors import BusyError, ConfigError, ExitCode, OutboxError, RunError
from batch.locations import Location, absolute, state_folder
from batch.monitoring import hooks, ping, prometheus, summary
from batch.outbox import run_history
from batch.outbox.ledger import Ledger, has_tables, open_ledger
from batch.outbox.run_stats import RunStats
from batch.outbox.turns import lock_of
from batch.records import RunSummary
from batch.storage import durable, locks
from batch.terminal.log import event
from batch.text import text_cell

_log = logging.getLogger(__name__)

STDOUT = Path("-")  # as the file of a summary
HOOK_VARIABLE = "DIGITBOX_RUN_ID"
"""A variable in the environment of a hook. A run that finds it calls no hooks, or they might never end."""

COMPLETE = (ExitCode.OK, ExitCode.SOME_FAILED)  # exit codes with which all results are published
FACTS = ("command", "exit_code", "error", "started_at", "finished_at", "seconds", "model", "seen", "left")
"""Keys of the summary that become variables in the environment of a hook."""


def check(notifications: NotifyOptions, outbox: Location, log_file: Path | None) -> None:
    """Find mistakes at once, not at the end of a night.

    Args:
        notifications: The options.
        outbox: The outbox.
        log_file: The log file, which is no place for anything else.

    Raises:
        ConfigError: A file or an address cannot be right.
    """
    _check_files_differ(notifications, log_file)
    files = ("--summary", notifications.summary), ("--metrics-file", notifications.metrics_file)
    for name, path in files:
        if path is None or path == STDOUT:
            continue
        if os.path.realpath(path.parent) == os.path.realpath(str(outbox)):
            continue  # the run makes the outbox
        if not os.path.isdir(path.parent):
            raise ConfigError(f"{name}: no folder {path.parent}: make it, or name another file")
    for name, command in (
        ("--on-complete", notifications.on_complete),
        ("--on-failure", notifications.on_failure),
    ):
        with _name_option(name):
            problem = hooks.check(command) if command is not None else ""
        if problem:  # a night's work is worth more than to end here
            _log.warning(f"{name}: {problem}; the run goes on", extra=event("hook"))
    if notifications.ping is not None:
        with _name_option("--ping"):
            ping.check(notifications.ping)


def _check_files_differ(notifications: NotifyOptions, log_file: Path | None) -> None:
    options: dict[str, str] = {}
    for name, path in (
        ("--summary", notifications.summary),
        ("--metrics-file", notifications.metrics_file),
        ("--log-file", log_file),
    ):
        # Several may go to one terminal, e.g. /dev/stderr.
        if path is None or path == STDOUT or (os.path.exists(path) and not os.path.isfile(path)):
            continue
        other = options.setdefault(os.path.realpath(path), name)
        if other != name:
            raise ConfigError(f"{name}: {path} is the file of {other}: name another")


@contextmanager
def _name_option(option: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


@contextmanager
def notify_at_end(
    stats: RunStats, notifications: NotifyOptions, outbox: Location, print_line: Callable[[str], object]
) -> Iterator[None]:
    """Run the block, then notify of the run, however it ends.

    An exception of the block goes on after the notifications.

    Args:
        stats: Statistics of the run; they hold the exit code afterwards.
        notifications: The files, commands and address to notify.
        outbox: Outbox of the run.
        print_line: Receives the summary for stdout.
    """
    try:
        yield
    except BaseException as error:
        stats.end_by(error)
        if not isinstance(error, BusyError):
            _write_entry(stats, outbox)
        raise
    finally:
        _notify(stats, notifications, outbox, print_line)


def _write_entry(stats: RunStats, outbox: Location) -> None:
    """Write the history's entry of a run that has left its outbox, if the outbox has a ledger."""
    state = state_folder(outbox)
    with suppress(RunError, OSError):
        if has_tables(state):
            with locks.hold(lock_of(state), exclusive=True, busy=""), closing(Ledger(state)) as ledger:
                run_history.write_run(ledger, stats.summary())


def _notify(
    stats: RunStats, notifications: NotifyOptions, outbox: Location, print_line: Callable[[str], object]
) -> None:
    if notifications.summary is not None:
        try:
            write_summary(stats.summary(), stats.results, notifications.summary, print_line)
        except OutboxError as error:
            _log.error(str(error))
            if stats.exit_code in COMPLETE:
                stats.end(ExitCode.OUTBOX, str(error))
                _write_entry(stats, outbox)
    run = stats.summary()
    if notifications.metrics_file is not None:
        write_metrics(run, notifications.metrics_file, outbox, _last_success(run, outbox))
    call_hooks(run, stats.results, notifications, outbox)
    if notifications.ping is not None:
        send_ping(notifications.ping, failed=run.exit_code != ExitCode.OK)


def write_summary(
    run: RunSummary, results: Sequence[Path | str], target: Path, print_line: Callable[[str], object]
) -> None:
    """Write the summary of a run to a file, or print it.

    Args:
        run: Summary of a run that has ended.
        results: Its files of results.
        target: The file, or `STDOUT`.
        print_line: Receives the summary for stdout.

    Raises:
        OutboxError: digitbox cannot write the file.
    """
    text = _as_json(run, results)
    if target == STDOUT:
        print_line(text)
        return
    try:
        durable.replace(target, text.encode() + b"\n")
    except OSError as error:
        raise OutboxError(
            f"cannot write the summary {target}: {error.strerror}; name another file"
        ) from error


def _last_success(run: RunSummary, outbox: Location) -> str | None:
    """Return the end of the last run with exit code 0; None if the ledger knows none."""
    if run.exit_code == ExitCode.OK:
        return run.finished_at
    with suppress(RunError), open_ledger(outbox, read_only=True) as ledger:
        success = run_history.last_success(ledger)
        return success.finished_at if success else None
    return None


def write_metrics(run: RunSummary, target: Path, outbox: Location, success_at: str | None) -> None:
    """Write the metrics file of a run; a file that digitbox cannot write makes a warning.

    Args:
        run: Summary of a run that has ended, or of a watcher so far.
        target: The file.
        outbox: Its outbox.
        success_at: Time of the last success, UTC, ISO 8601; None if it is unknown.
    """
    text = prometheus.exposition(run, text_cell(absolute(outbox)), success_at)
    try:
        durable.replace(target, text.encode())
    except OSError as error:
        _log.warning(f"cannot write the metrics file {target}: {error.strerror}", extra=event("notify"))


def call_hooks(
    run: RunSummary, results: Sequence[Path | str], notifications: NotifyOptions, outbox: Location
) -> None:
    """Call the user's commands for a run that has ended, except within such a command."""
    if HOOK_VARIABLE in os.environ:
        return
    if notifications.on_complete is not None and run.exit_code in COMPLETE:
        _call("--on-complete", notifications.on_complete, run, results, outbox)
    if notifications.on_failure is not None and run.exit_code != ExitCode.OK:
        _call("--on-failure", notifications.on_failure, run, results, outbox)


def send_ping(address: str, *, failed: bool) -> None:
    """Request the address of a monitor; a problem makes a warning."""
    problem = ping.ping(address, failed=failed)
    if problem:
        _log.warning(f"--ping: {problem}", extra=event("notify"))


def _call(
    option: str, command: str, run: RunSummary, results: Sequence[Path | str], outbox: Location
) -> None:
    environment = {**os.environ, **_run_environment(run, outbox)}
    problem = hooks.call(command, _as_json(run, results).encode(), environment)
    if problem:
        _log.warning(f"{option}: {shlex.split(command)[0]} {problem}", extra=event("notify"))


def _run_environment(run: RunSummary, outbox: Location) -> dict[str, str]:
    """Return the main facts of a run as variables for a hook, in printable text, and its outbox as it is."""
    values = summary.as_json_object(run)
    facts = {name: values[name] for name in FACTS} | values["counts"]
    variables = {f"DIGITBOX_RUN_{name.upper()}": text_cell(str(value)) for name, value in facts.items()}
    return {HOOK_VARIABLE: run.run, "DIGITBOX_RUN_OUTBOX": absolute(outbox), **variables}


def _as_json(run: RunSummary, results: Sequence[Path | str]) -> str:
    return json.dumps(summary.as_json_object(run, results))
