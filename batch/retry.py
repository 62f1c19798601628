"""Scans that have their row, made new: to be read again."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import click

from batch import clock
from batch.cli import values
from batch.cli.options import ScanPath, outbox_option, state_option
from batch.errors import InputError
from batch.files import archive, retire
from batch.files.archive import Settled
from batch.locations import Place, is_remote, with_states
from batch.records import Reason, Status
from batch.terminal import console
from batch.text import text_cell

AT_ONCE = 1000  # scans that are forgotten with one commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which scans are meant; what is empty or None does not matter.

    Attributes:
        paths: where scans were read, or lie now, or folders of these; real paths.
        statuses: that their last row has.
        reasons: that it gives.
        since: stamp of the time from which on their batch began.
        until: stamp of the time before which it began.
    """

    paths: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    reasons: tuple[Reason, ...] = ()
    since: str = ""
    until: str = ""

    def has(self, scan: Settled) -> bool:
        """Whether a scan is meant, as far as its row tells."""
        began, outcome = archive.stamp(scan.batch), scan.outcome
        return (
            (not self.statuses or outcome.status in self.statuses)
            and (not self.reasons or outcome.reason in self.reasons)
            and self.since <= began
            and (not self.until or began < self.until)
        )

    def is_at(self, *places: str) -> bool:
        """Whether a scan of these places is meant."""
        return not self.paths or any(
            f"{place}/".startswith(path.rstrip("/") + "/") for path in self.paths for place in places
        )


@dataclass(slots=True)
class Retried:
    """What `retry` did: how many scans, and what kept others where they are."""

    in_place: int = 0
    brought_back: int = 0
    gone: int = 0
    problems: list[OSError] = field(default_factory=list)


def retry_scans(outbox: Place, choice: Choice, show: Callable[[str], object] | None = None) -> Retried:
    """Makes scans that have their row new, so that they are read again.

    Those that were moved go back to where they were read; those that are gone stay as they are. Killed at
    any time, it can be done again.

    Args:
        outbox: with a ledger.
        choice: of the scans.
        show: is shown each scan that would be new; then nothing is changed.

    Raises:
        RunError: as of `archive.opened`.
    """
    done = Retried()
    with archive.opened(outbox, read_only=show is not None) as past:
        waiting: list[Settled] = []
        for scan in filter(choice.has, past.settled()):
            ref = scan.outcome.ref
            place = retire.find(scan.outcome, scan.batch, outbox)
            if not choice.is_at(ref.path, _real(place or ref.path)):
                continue
            if place is None:
                done.gone += 1
                continue
            is_in_place = place == ref.path
            if show is not None:
                show(place)
            elif not is_in_place:
                assert isinstance(outbox, Path)  # objects are left where they are
                try:
                    retire.bring_back(Path(place), scan.outcome, outbox)
                except OSError as error:
                    done.problems.append(error)
                    continue
            done.in_place += is_in_place
            done.brought_back += not is_in_place
            waiting.append(scan)
            if len(waiting) >= AT_ONCE and show is None:
                past.forget_scans(waiting)
                waiting.clear()
        if show is None:
            past.forget_scans(waiting)
    return done


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
    outbox: Place,
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
    choice = Choice(
        paths=tuple(map(_real, paths)),
        statuses=tuple(map(Status, statuses)),
        reasons=tuple(map(Reason, reasons)),
        since="" if since is None else clock.compact(since),
        until="" if until is None else clock.compact(until),
    )
    outbox = with_states(outbox, state)
    if not archive.exists(outbox):
        console.say(f"nothing to retry: the outbox {outbox} has no ledger yet")
        return
    done = retry_scans(outbox, choice, _print_name if dry_run else None)
    number = done.in_place + done.brought_back
    if number:
        are = "would be" if dry_run else "is" if number == 1 else "are"
        were = "it was" if done.brought_back == 1 else "they were"
        back = "" if not done.brought_back else f", {done.brought_back} of them back where {were} read"
        how = "" if dry_run else "; read with digitbox run --only-new, or digitbox watch"
        console.say(f"{console.scans(number)} {are} new{back}{how}")
    elif not done.problems:
        console.say("nothing to retry: no such scans")
    if done.gone:
        console.say(f"{console.scans(done.gone)} more cannot be read again: gone, or changed since")
    if done.problems:
        raise InputError(
            f"{console.scans(len(done.problems))} could not be moved back: {_what(done.problems[0])}; "
            "mend that, and call it again"
        )


def _real(path: str) -> str:
    return path if is_remote(path) else os.path.realpath(path)


def _print_name(name: str) -> None:
    console.print_line(text_cell(name))


def _what(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
