"""The command `digitbox status`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from batch.cli.options import input_argument, outbox_option, state_option
from batch.cli.values import seconds
from batch.clock import seconds_of, spoken, utc_now
from batch.errors import ConfigError, ExitCode
from batch.locations import Location, absolute, with_state_folder
from batch.monitoring.health import Health, check_health
from batch.monitoring.summary import as_json_object, describe, describe_drift
from batch.outbox import books
from batch.outbox.run_history import Heartbeat
from batch.records import RunSummary, Status
from batch.terminal import console
from batch.text import count_scans, text_cell


@click.command()
@input_argument
@outbox_option()
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option(
    "--max-age",
    callback=seconds,
    metavar="DURATION",
    help="Also report a problem if the last success is longer ago, e.g. 26h for a run every night.",
)
@click.option(
    "--deep",
    "is_deep",
    is_flag=True,
    help="Also compare the ledger with the files of results, done/ and failed/. It reads all results.",
)
def status(
    inputs: tuple[str, ...],
    outbox: Location,
    state: Path | None,
    as_json: bool,
    max_age: float | None,
    is_deep: bool,
) -> None:
    """Check whether all is well: the last run, waiting scans, the watcher.

    INPUT is what the runs read; without it, the inputs of the last run. digitbox changes nothing, so you may
    call this at any time. The exit code is 0 if all is well. It is 1 if there was no run, or the last run
    failed or was killed. It is also 1 if the watcher is paused, is gone or gives no sign. The gravest problem
    stands first, with what mends it.

    \b
    Examples:
      digitbox status --outbox /srv/results
      digitbox status --max-age 26h --json
    """
    now = utc_now().timestamp()
    outbox = with_state_folder(outbox, state)
    if is_deep and not isinstance(outbox, Path):
        raise ConfigError(f"--deep is for an outbox on a disk, not for {outbox}: leave it out")
    report = check_health(inputs, outbox, now, max_age, is_deep=is_deep)
    if as_json:
        console.print_line(json.dumps(_as_object(report, outbox)))
    else:
        for name, text in _table(report, now):
            console.print_line(f"{name:<14} {text_cell(text)}".rstrip())
    if report.problems:
        raise SystemExit(ExitCode.NOT_WELL)


def _as_object(report: Health, outbox: Location) -> dict[str, Any]:
    def entry(run: RunSummary | None) -> dict[str, Any] | None:
        return None if run is None else as_json_object(run)

    watcher = None
    if report.watcher is not None:
        watcher = asdict(report.watcher) | {
            "inbox": text_cell(report.watcher.inbox),
            "detail": text_cell(report.watcher.detail),
            "state": report.watcher_state,
        }
    oldest = report.oldest_waiting_at
    return {
        "healthy": not report.problems,
        "problems": [text_cell(problem) for problem in report.problems],
        "outbox": text_cell(absolute(outbox)),
        "inputs": [text_cell(path) for path in report.inputs],
        "running": entry(report.running),
        "last_run": entry(report.last_run),
        "last_success": entry(report.last_success),
        "waiting": report.waiting,
        "oldest_waiting_at": None if oldest is None else round(oldest, 3),
        "counts": report.counts,
        "watcher": watcher,
        **({} if report.books is None else {"books": _books(report.books)}),
    }


def _books(found: books.Books) -> dict[str, Any]:
    problems = [text_cell(problem) for problem in found.problems]
    return asdict(found) | {"problems": problems}


def _table(report: Health, now: float) -> Iterator[tuple[str, str]]:
    if report.running is not None and report.running.command == "run":
        run = report.running
        so_far = describe(replace(run, left=0))  # which would be those found so far; `waiting` has all
        yield "running", f"since {run.started_at}, process {run.pid}; {so_far}"
    if report.last_run is not None:
        run = report.last_run
        yield "last run", f"{run.started_at}, {_spoken_end(run)}; {describe(run)}"
        for sentence in describe_drift(run):
            yield "", sentence
    if report.last_success is not None and report.last_success.finished_at is not None:
        ended = report.last_success.finished_at
        yield "last success", f"{ended}, {spoken(now - seconds_of(ended))} ago"
    if report.waiting is not None:
        oldest = report.oldest_waiting_at
        since = "" if oldest is None else f", the oldest for {spoken(now - oldest)}"
        yield "waiting", f"{count_scans(report.waiting)}{since}"
    yield "in review", count_scans(report.counts[Status.REVIEW])
    yield "failed", count_scans(report.counts[Status.FAILED])
    if report.watcher is not None and report.watcher_seen_at is not None:
        age_s = now - report.watcher_seen_at
        yield "watcher", _spoken_watcher(report.watcher, report.watcher_state or "", age_s)
    if report.books is not None:
        yield "books", books.describe(report.books)
    for problem in report.problems:
        yield "not well", problem
    if not report.problems:
        yield "all is well", ""


def _spoken_end(run: RunSummary) -> str:
    return "killed" if run.exit_code is None else f"exit code {run.exit_code}"


def _spoken_watcher(beat: Heartbeat, state: str, age_s: float) -> str:
    since = f" since {beat.since}" if beat.since else ""
    state_since = f"{state}{since if state == beat.state else ''}"
    return f"{state_since}; process {beat.pid}, last sign {spoken(age_s)} ago; {beat.inbox}"
