"""The command `digitbox retry`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from batch import clock
from batch.cli import values
from batch.cli.options import outbox_option, state_option
from batch.cli.types import ScanPath
from batch.errors import InputError
from batch.locations import Location, with_state_folder
from batch.outbox.ledger import has_ledger
from batch.outbox.retry import ScanFilter, real_path, retry_scans
from batch.records import Reason, Status
from batch.terminal import console
from batch.text import count_scans, text_cell


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...", type=ScanPath(readable=False))
@outbox_option()
@state_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Those whose row has this status; may be given several times.",
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="WORD",
    type=click.Choice([reason.value for reason in Reason]),
    help="Those whose row gives this reason, such as truncated; may be given several times.",
)
@values.since_option
@values.until_option
@click.option("--dry-run", is_flag=True, help="Print which scans would be new, and change nothing.")
def retry(
    paths: tuple[str, ...],
    outbox: Location,
    state: Path | None,
    statuses: tuple[str, ...],
    reasons: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
) -> None:
    """Make scans that have their row new, to be read again.

    PATH is a scan, or a folder of scans, where it was read or in done/ or failed/ now. Without PATH, --status
    or --reason, those that failed are meant. Scans that were moved away go back to where they were read.
    Files of results stay as they are: the next digitbox run --only-new, or digitbox watch, gives each scan
    another row, and the later row is the one that counts.

    \b
    Examples:
      digitbox retry
      digitbox retry --status review --since 7d
      digitbox retry --reason unreadable --dry-run
    """
    if not (paths or statuses or reasons):
        statuses = (Status.FAILED.value,)
    choice = ScanFilter(
        paths=tuple(map(real_path, paths)),
        statuses=tuple(map(Status, statuses)),
        reasons=tuple(map(Reason, reasons)),
        since="" if since is None else clock.compact(since),
        until="" if until is None else clock.compact(until),
    )
    outbox = with_state_folder(outbox, state)
    if not has_ledger(outbox):
        console.say(f"nothing to retry: the outbox {outbox} has no ledger yet")
        return
    done = retry_scans(outbox, choice, _print_name if dry_run else None)
    number = done.in_place + done.brought_back
    if number:
        are = "would be" if dry_run else "is" if number == 1 else "are"
        were = "it was" if done.brought_back == 1 else "they were"
        back = "" if not done.brought_back else f", {done.brought_back} of them back where {were} read"
        how = "" if dry_run else "; read with digitbox run --only-new, or digitbox watch"
        console.say(f"{count_scans(number)} {are} new{back}{how}")
    elif not done.problems:
        console.say("nothing to retry: no such scans")
    if done.gone:
        console.say(f"{count_scans(done.gone)} more cannot be read again: gone, or changed since")
    if done.problems:
        raise InputError(
            f"{count_scans(len(done.problems))} could not be moved back: {_what(done.problems[0])}; "
            "mend that, and call it again"
        )


def _print_name(name: str) -> None:
    console.print_line(text_cell(name))


def _what(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
