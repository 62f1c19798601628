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
from batch.locations import Location, command_line, with_state_folder
from batch.outbox.ledger import has_ledger
from batch.outbox.retry import RetryResult, ScanFilter, real_path, retry_scans
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
    help="Choose scans whose row has this status. You can give it several times.",
)
@click.option(
    "--reason",
    "reasons",
    multiple=True,
    metavar="WORD",
    type=click.Choice([reason.value for reason in Reason]),
    help="Choose scans whose row has this reason, e.g. truncated. You can give it several times.",
)
@values.since_option
@values.until_option
@click.option("--dry-run", is_flag=True, help="Print the chosen scans, and change nothing.")
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
    """Mark scans as new, so that digitbox reads them again.

    PATH is a scan or a folder of scans, where digitbox read it or where it is now, in done/ or failed/.
    Without PATH, --status or --reason, digitbox takes the scans that failed. It moves scans in done/ or
    failed/ back to where it read them. Files of results stay as they are. The next digitbox run --only-new,
    or digitbox watch, gives each scan another row; the later row counts.

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
    result = retry_scans(outbox, choice, _print_name if dry_run else None)
    _say(result, outbox, dry_run)
    if result.problems:
        raise InputError(
            f"{count_scans(len(result.problems))} could not be moved back: {_describe(result.problems[0])}; "
            "mend that, and call it again"
        )


def _print_name(name: str) -> None:
    console.print_line(text_cell(name))


def _say(result: RetryResult, outbox: Location, dry_run: bool) -> None:
    """Say how many scans are new, where they are, and what reads them."""
    number = result.in_place + result.brought_back
    if number:
        verb = "would be" if dry_run else "is" if number == 1 else "are"
        were = "it was" if result.brought_back == 1 else "they were"
        those = "" if number == 1 else f"{result.brought_back:,} of them "
        back = "" if not result.brought_back else f", {those}back where {were} read"
        # Without an INPUT, the command would read inbox/. Without --digits, it would refuse numbers.
        how, names = f"; read with {command_line('run INPUT --only-new', outbox)}", "INPUT"
        if isinstance(outbox, Path):  # a watcher takes no other
            how, names = f"{how}, or {command_line('watch INBOX', outbox)}", "INPUT or INBOX"
        how = "" if dry_run else f"{how}; name {names} as before, and --digits if you gave it"
        console.say(f"{count_scans(number)} {verb} new{back}{how}")
    elif not result.problems:
        console.say("nothing to retry: no such scans")
    if result.gone:
        console.say(f"{count_scans(result.gone)} more cannot be read again: gone, or changed since")


def _describe(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
