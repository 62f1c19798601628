"""The command `digitbox history`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from batch.cli.options import outbox_option, state_option
from batch.clock import spoken
from batch.errors import InputError
from batch.locations import STATE, Location, state_folder, with_state_folder
from batch.monitoring.summary import as_json_object
from batch.outbox import published_files, run_history
from batch.outbox.ledger import has_ledger, open_ledger
from batch.records import RunSummary, Status
from batch.terminal import console
from batch.terminal.number_types import Whole
from batch.text import text_cell


@click.command()
@outbox_option()
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array instead of a table.")
@click.option(
    "--last", type=Whole(1), metavar="N", default=20, show_default=True, help="Print at most N runs."
)
def history(outbox: Location, state: Path | None, as_json: bool, last: int) -> None:
    """Print the last runs, newest first.

    \b
    Examples:
      digitbox history --last 7
      digitbox history --json | jq '.[] | select(.exit_code != 0)'
    """
    runs = []
    outbox = with_state_folder(outbox, state)
    folder = state_folder(outbox)
    if has_ledger(outbox):
        with open_ledger(outbox, read_only=True) as opened:
            runs = run_history.last_runs(opened, last)
    elif missing := published_files.missing_ledger(outbox):
        raise InputError(f"{missing}: bring back its folder {STATE}, which has the history")
    ends = [_end(run, folder, is_last=number == 0) for number, run in enumerate(runs)]
    if as_json:
        console.print_line(
            json.dumps([{**as_json_object(run), "end": end} for run, end in zip(runs, ends, strict=True)])
        )
        return
    if not runs:
        console.say(f"no runs yet in {outbox}")
        return
    for row in _columns(runs, ends):
        console.print_line(row)


def _end(run: RunSummary, folder: Path, *, is_last: bool) -> str:
    """Return how a run ended: its exit code, `running` or `killed`."""
    if run.exit_code is not None:
        return str(run.exit_code)
    return "running" if is_last and run_history.is_running(run, folder) else "killed"


def _columns(runs: Sequence[RunSummary], ends: Sequence[str]) -> Iterator[str]:
    heading = ("started", "command", "took", "end", "scans", *(status.value for status in Status), "left")
    rows = [heading]
    for run, end in zip(runs, ends, strict=True):
        of_each = (f"{run.counts.get(status, 0):,}" for status in Status)
        took = spoken(run.seconds)
        scans = f"{run.scans or run.rows:,}"
        rows.append((run.started_at, run.command, took, end, scans, *of_each, f"{run.left:,}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    notes = ["", *(run.error or "; ".join(f"more {status}" for status in run.drift) for run in runs)]
    for row, note in zip(rows, notes, strict=True):
        cells = [
            text.ljust(width) if number < 2 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join([*cells, text_cell(note)] if note else cells).rstrip()
