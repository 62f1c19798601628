"""Who is told of a run that has ended: a file, a program, a monitor.

Nothing here stops a run or changes its exit code, but for a summary that cannot be written.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from batch.config import NotifyOptions
from batch.errors import BusyError, ConfigError, ExitCode, OutboxError, RunError
from batch.locations import Location, absolute, state_folder
from batch.monitoring import hooks, ping, prometheus, summary
from batch.outbox import ledger, run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_stats import RunStats
from batch.records import RunSummary
from batch.storage import durable, locks
from batch.terminal.log import event
from batch.text import text_cell

_log = logging.getLogger(__name__)

STDOUT = Path("-")
HOOK_VARIABLE = "DIGITBOX_RUN_ID"
"""Is in the environment of what is called: a run that is started there calls nothing, or there is no end."""

COMPLETE = (ExitCode.OK, ExitCode.SOME_FAILED)
FACTS = ("command", "exit_code", "error", "started_at", "finished_at", "seconds", "model", "seen", "left")
COUNTS = ("ok", "review", "refused", "failed")


def check(notifications: NotifyOptions, outbox: Location) -> None:
    """Find mistakes at once, not at the end of a night.

    Raises:
        ConfigError: A file or an address cannot be right.
    """
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
        with _naming(name):
            problem = hooks.check(command) if command is not None else ""
        if problem:  # a night's work is worth more than to end here
            _log.warning(f"{name}: {problem}; the run goes on", extra=event("hook"))
    if notifications.ping is not None:
        with _naming("--ping"):
            ping.check(notifications.ping)


@contextmanager
def _naming(option: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


@contextmanager
def notify_at_end(
    stats: RunStats, notifications: NotifyOptions, outbox: Location, print_line: Callable[[str], object]
) -> Iterator[None]:
    """Notify of what is done in a `with` block, however that ends.

    Args:
        stats: Of the run; they have its exit code afterwards.
        notifications: Who hears of it.
        outbox: Of the run.
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
    """Writes the entry of a run that ended outside its outbox; only into a ledger that is there."""
    state = state_folder(outbox)
    with suppress(RunError, OSError):
        if ledger.exists(state):
            with locks.hold(state / "lock", exclusive=True, busy=""), closing(Ledger(state)) as opened:
                run_history.write_run(opened, stats.summary())


def _notify(
    stats: RunStats, notifications: NotifyOptions, outbox: Location, print_line: Callable[[str], object]
) -> None:
    if notifications.summary is not None:
        try:
            _write_summary(stats, notifications.summary, print_line)
        except OutboxError as error:
            _log.error(str(error))
            if stats.exit_code in COMPLETE:
                stats.end(ExitCode.OUTBOX, str(error))
                _write_entry(stats, outbox)
    found = stats.summary()
    if notifications.metrics_file is not None:
        _write_metrics(found, notifications.metrics_file, outbox)
    if HOOK_VARIABLE not in os.environ:
        if notifications.on_complete is not None and found.exit_code in COMPLETE:
            _call("--on-complete", notifications.on_complete, stats, outbox)
        if notifications.on_failure is not None and found.exit_code != ExitCode.OK:
            _call("--on-failure", notifications.on_failure, stats, outbox)
    if notifications.ping is not None:
        problem = ping.ping(notifications.ping, failed=found.exit_code != ExitCode.OK)
        if problem:
            _log.warning(f"--ping: {problem}", extra=event("notify"))


def _write_summary(stats: RunStats, target: Path, print_line: Callable[[str], object]) -> None:
    text = _as_json(stats)
    if target == STDOUT:
        print_line(text)
        return
    try:
        durable.replace(target, text.encode() + b"\n")
    except OSError as error:
        raise OutboxError(
            f"cannot write the summary {target}: {error.strerror}; name another file"
        ) from error


def _write_metrics(found: RunSummary, target: Path, outbox: Location) -> None:
    success_at = found.finished_at
    if found.exit_code != ExitCode.OK:
        success_at = None
        with suppress(RunError), closing(Ledger(state_folder(outbox), read_only=True)) as opened:
            success = run_history.last_success(opened)
            success_at = success.finished_at if success else None
    text = prometheus.exposition(found, text_cell(absolute(outbox)), success_at)
    try:
        durable.replace(target, text.encode())
    except OSError as error:
        _log.warning(f"cannot write the metrics file {target}: {error.strerror}", extra=event("notify"))


def _call(option: str, command: str, stats: RunStats, outbox: Location) -> None:
    environment = {**os.environ, **run_environment(stats.summary(), outbox)}
    problem = hooks.call(command, _as_json(stats).encode(), environment)
    if problem:
        _log.warning(f"{option}: {command.split()[0]} {problem}", extra=event("notify"))


def run_environment(found: RunSummary, outbox: Location) -> dict[str, str]:
    """The main facts of a run, as variables for the environment of what is called."""
    values = summary.as_json_object(found)
    said = {name: values[name] for name in FACTS} | {name: values["counts"][name] for name in COUNTS}
    shown = {f"DIGITBOX_RUN_{name.upper()}": text_cell(str(value)) for name, value in said.items()}
    return {HOOK_VARIABLE: found.run, "DIGITBOX_RUN_OUTBOX": absolute(outbox), **shown}


def _as_json(stats: RunStats) -> str:
    return json.dumps(summary.as_json_object(stats.summary(), stats.results))
