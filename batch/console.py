"""What `digitbox run` tells people on stderr: a progress bar, problems, and a summary."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from batch import config
from batch.config import RunOptions
from batch.files.tables import text_cell
from batch.records import Outcome, RunSummary, Status


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


def say_problems(outcomes: list[Outcome]) -> None:
    """A line for each scan that is not ok."""
    for outcome in outcomes:
        if outcome.status is not Status.OK:
            reason = outcome.reason.value if outcome.reason else ""
            click.echo(f"{text_cell(outcome.ref.name)}: {outcome.status.value}, {reason}", err=True)


def say_summary(summary: RunSummary, options: RunOptions) -> None:
    """How many scans were read with what result, how fast, and where the results are."""
    others = f"{summary.skipped} other files skipped" if summary.skipped != 1 else "1 other file skipped"
    skipped = f" ({others})" if summary.skipped else ""
    if summary.settled:
        skipped = f"; {summary.settled} had their row before{skipped}"
    if not summary.rows:
        where = " ".join(map(text_cell, options.inputs)) or config.INBOX
        new = "new " if options.only_new else ""
        click.echo(f"nothing to do: no {new}image files in {where}{skipped}", err=True)
        return
    counts = ", ".join(f"{summary.counts.get(status, 0)} {status.value}" for status in Status)
    scans = "1 scan" if summary.rows == 1 else f"{summary.rows} scans"
    rate = summary.rows / max(summary.seconds, 1e-9)
    click.echo(f"{scans}: {counts}{skipped}; {summary.seconds:.1f} s, {rate:,.0f} images/s", err=True)
    where = str(summary.published[0]) if len(summary.published) == 1 else f"{len(summary.published)} files"
    click.echo(f"results: {where}", err=True)
