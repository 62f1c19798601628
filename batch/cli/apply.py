"""The command `digitbox apply`."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from batch.cli.options import outbox_option
from batch.cli.types import LocalPath, NamedPath
from batch.errors import ConfigError
from batch.report import apply as application
from batch.terminal import console
from batch.text import count_scans

MAX_PROBLEMS = 20  # said: a wrong file may have one a line


@click.command()
@click.argument("corrections", type=NamedPath(readable=False, path_type=Path))
@outbox_option(
    "Folder with the results that the report was made from.",
    LocalPath("correct copies of its files of results by hand"),
)
@click.option("--by", metavar="NAME", help="Who corrected, for the audit.  [default: the user's login]")
def apply(corrections: Path, outbox: Path, by: str | None) -> None:
    """Apply the corrections that a report saved, all of them or none.

    CORRECTIONS is the file. The published results stay as they are: beside each stands corrected-... with
    the corrected rows, and the corrected scans are copied to corrected/ in the outbox, in folders of their
    digits, which digitbox train --extra and evaluate take. Printed are the corrected files.

    \b
    Examples:
      digitbox apply ~/Downloads/corrections.csv
      digitbox train --from cnn --extra outbox/corrected/ --name office
    """
    name = _login() if by is None else by.strip()
    if not name:
        raise ConfigError("--by must be a name")
    try:
        done = application.apply(corrections, outbox, name)
    except application.WrongLinesError as error:
        for problem in error.problems[:MAX_PROBLEMS]:
            console.say(problem)
        if (more := len(error.problems) - MAX_PROBLEMS) > 0:
            console.say(f"and {more} more")
        raise
    for path in done.written:
        console.print_line(path)
    _say_applied(done, outbox)


def _say_applied(done: application.Applied, outbox: Path) -> None:
    total = done.changed + done.confirmed
    if not total:
        console.say("nothing to do: no corrections in the file")
        return
    before = f" ({done.known} applied before)" if done.known else ""
    corrections = "1 correction" if total == 1 else f"{total} corrections"
    console.say(f"{corrections}: {done.changed} changed, {done.confirmed} confirmed{before}")
    scans = count_scans(done.copied)
    folder = outbox / application.LABELLED
    console.say(f"{scans} copied to {folder}; learn from them: digitbox train --from cnn --extra {folder}")
    if done.missing:
        console.say(f"{done.missing} of the scans are gone or have changed, and were not copied")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
