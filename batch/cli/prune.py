"""The command `digitbox prune`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from batch.cli import values
from batch.cli.options import outbox_option
from batch.cli.types import LocalPath
from batch.clock import utc_now
from batch.errors import OutboxError
from batch.outbox.ledger import has_ledger
from batch.outbox.prune import Limits, prune_outbox
from batch.terminal import console
from batch.text import count, count_scans


@click.command()
@click.option(
    "--older-than",
    required=True,
    metavar="AGE",
    callback=values.duration,
    help="Remove whole days (UTC) that ended at least this long ago, e.g. 30d or 12w.",
)
@outbox_option(
    kind=LocalPath("an outbox in object storage has only results; remove them with the store's own tools")
)
@click.option("--dry-run", is_flag=True, help="Print what digitbox would remove, and remove nothing.")
def prune(older_than: timedelta, outbox: Path, dry_run: bool) -> None:
    """Delete old scans from done/ and failed/.

    The ledger also forgets old scans that are gone. It keeps scans that still lie where digitbox read them;
    otherwise the next run would read them again. digitbox never deletes files of results. digitbox retry
    cannot bring back a deleted scan.

    \b
    Examples:
      digitbox prune --older-than 30d --dry-run
      digitbox prune --older-than 12w
    """
    if not has_ledger(outbox):
        console.say(f"nothing to prune: the outbox {outbox} has no ledger yet")
        return
    try:
        limits = Limits.of_ages(utc_now(), older_than, older_than)
    except OverflowError as error:
        raise click.BadParameter("that is before all time: give a shorter age") from error
    pruned = prune_outbox(outbox, limits, dry_run=dry_run)
    would = "would be " if dry_run else ""
    batches = "1 batch" if pruned.batches == 1 else f"{pruned.batches:,} batches"
    console.say(
        f"from before {limits.first:%Y-%m-%d}: {count(pruned.files, 'file')} of done/ and failed/ "
        f"({pruned.size_bytes / 1e6:,.1f} MB) {would}removed; {count_scans(pruned.scans)}, "
        f"{count(pruned.superseded, 'superseded row')} and {batches} {would}forgotten by the ledger"
    )
    if pruned.kept:
        console.say(
            f"{count_scans(pruned.kept)} not forgotten: the folder they were read from is not there, or "
            "empty; perhaps a disk is not mounted"
        )
    for note in pruned.notes:
        console.say(note)
    if pruned.problems:
        first = pruned.problems[0]
        raise OutboxError(f"cannot remove {first.filename}: {first.strerror}; change that, and call it again")
