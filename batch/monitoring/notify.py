"""Who is told of a run that has ended: a file, a program, a monitor.

Nothing here stops a run or changes its exit code, but for a summary that cannot be written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from batch.errors import BusyError, ConfigError, ExitCode, OutboxError, RunError
from batch.locations import Location, absolute, state_folder
from batch.monitoring import hooks, ping, prometheus, summary
from batch.outbox import ledger, run_history
from batch.outbox.ledger import Ledger
from batch.outbox.run_stats import RunStats
from batch.records import RunSummary
from batch.storage import durable, locks
from batch.terminal import console
from batch.text import text_cell

STDOUT = Path("-")
HOOK_VARIABLE = "DIGITBOX_RUN_ID"
"""Is in the environment of what is called: a run that is started there calls nothing, or there is no end."""

COMPLETE = (ExitCode.OK, ExitCode.SOME_FAILED)
FACTS = ("command", "exit_code", "error", "started_at", "finished_at", "seconds", "model", "seen", "left")
COUNTS = ("ok", "review", "refused", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifications:
    """Who is told.

    Attributes:
        outbox: of the run.
        summary: file for a JSON object; `-` for stdout.
        metrics_file: file for Prometheus.
        on_complete: command to call when results are published.
        on_failure: command to call when the exit code is not 0.
        ping: address to ask for.
    """

    outbox: Location
    summary: Path | None = None
    metrics_file: Path | None = None
    on_complete: str | None = None
    on_failure: str | None = None
    ping: str | None = None

    def check(self) -> None:
        """Finds mistakes at once, not at the end of a night.

        Raises:
            ConfigError: somebody cannot be told.
        """
        for name, path in (("--summary", self.summary), ("--metrics-file", self.metrics_file)):
            if (
                path is None
                or path == STDOUT
                or os.path.realpath(path.parent) == os.path.realpath(str(self.outbox))
            ):
                continue  # the run makes the outbox
            if not os.path.isdir(path.parent):
                raise ConfigError(f"{name}: no folder {path.parent}: make it, or name another file")
        for name, command in (("--on-complete", self.on_complete), ("--on-failure", self.on_failure)):
            with _naming(name):
                problem = hooks.check(command) if command is not None else ""
            if problem:  # a night's work is worth more than to end here
                console.say_error(f"warning: {name}: {problem}; the run goes on")
        if self.ping is not None:
            with _naming("--ping"):
                ping.check(self.ping)


@contextmanager
def _naming(option: str) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{option}: {error}") from error


@contextmanager
def notify_at_end(account: RunStats, audience: Notifications) -> Iterator[None]:
    """Tells of what is done in the block, however that ends; the account has the exit code afterwards."""
    try:
        yield
    except BaseException as error:
        account.end_by(error)
        if not isinstance(error, BusyError):
            _note(account, audience.outbox)
        raise
    finally:
        _tell(account, audience)


def _note(account: RunStats, outbox: Location) -> None:
    """Writes the entry of a run that ended outside its outbox; only into a ledger that is there."""
    state = state_folder(outbox)
    with suppress(RunError, OSError):
        if ledger.exists(state):
            with locks.hold(state / "lock", exclusive=True, busy=""), closing(Ledger(state)) as opened:
                run_history.write_run(opened, account.summary())


def _tell(account: RunStats, audience: Notifications) -> None:
    if audience.summary is not None:
        try:
            _write_summary(account, audience.summary)
        except OutboxError as error:
            console.say_error(str(error))
            if account.exit_code in COMPLETE:
                account.end(ExitCode.OUTBOX, str(error))
                _note(account, audience.outbox)
    found = account.summary()
    if audience.metrics_file is not None:
        _write_metrics(found, audience.metrics_file, audience.outbox)
    if HOOK_VARIABLE not in os.environ:
        if audience.on_complete is not None and found.exit_code in COMPLETE:
            _call("--on-complete", audience.on_complete, account, audience.outbox)
        if audience.on_failure is not None and found.exit_code != ExitCode.OK:
            _call("--on-failure", audience.on_failure, account, audience.outbox)
    if audience.ping is not None:
        problem = ping.ping(audience.ping, failed=found.exit_code != ExitCode.OK)
        if problem:
            console.say_error(f"warning: --ping: {problem}")


def _write_summary(account: RunStats, target: Path) -> None:
    text = _as_json(account)
    if target == STDOUT:
        console.print_line(text)
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
        console.say_error(f"warning: cannot write the metrics file {target}: {error.strerror}")


def _call(option: str, command: str, account: RunStats, outbox: Location) -> None:
    environment = {**os.environ, **run_environment(account.summary(), outbox)}
    problem = hooks.call(command, _as_json(account).encode(), environment)
    if problem:
        console.say_error(f"warning: {option}: {command.split()[0]} {problem}")


def run_environment(found: RunSummary, outbox: Location) -> dict[str, str]:
    """The main facts of a run, as variables for the environment of what is called."""
    values = summary.as_json_object(found)
    said = {name: values[name] for name in FACTS} | {name: values["counts"][name] for name in COUNTS}
    shown = {f"DIGITBOX_RUN_{name.upper()}": text_cell(str(value)) for name, value in said.items()}
    return {HOOK_VARIABLE: found.run, "DIGITBOX_RUN_OUTBOX": absolute(outbox), **shown}


def _as_json(account: RunStats) -> str:
    return json.dumps(summary.as_json_object(account.summary(), account.results))
