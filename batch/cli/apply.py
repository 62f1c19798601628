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
from batch.text import count, count_scans

MAX_PROBLEMS = 20  # messages on the screen; a wrong file may have one for each line


@click.command()
@click.argument("corrections", type=NamedPath(readable=False, path_type=Path))
@outbox_option(
    "Folder with the results that the report was made from.",
    LocalPath("correct copies of its files of results by hand"),
)
@click.option("--by", metavar="NAME", help="Your name, for the audit.  [default: your login]")
def apply(corrections: Path, outbox: Path, by: str | None) -> None:
    """Apply the corrections that a report saved, all of them or none.

    CORRECTIONS is the file that the report saved. digitbox leaves the published results as they are. Beside
    each it writes a file corrected-... with the corrected rows, and prints its path. It copies the corrected
    scans to corrected/ in the outbox, into one folder for each digit. digitbox train --extra and digitbox
    evaluate read them.

    \b
    Examples:
      digitbox apply ~/Downloads/corrections.csv
      digitbox train --from cnn --extra outbox/corrected/ --name office
    """
    name = _login() if by is None else by.strip()
    if not name:
        raise ConfigError("--by must be a name")
    try:
        result = application.apply(corrections, outbox, name)
    except application.WrongLinesError as error:
        for problem in error.problems[:MAX_PROBLEMS]:
            console.say(problem)
        if (hidden_count := len(error.problems) - MAX_PROBLEMS) > 0:
            console.say(f"and {hidden_count} more")
        raise
    for path in result.written:
        console.print_line(path)
    _say_result(result, outbox)


def _say_result(result: application.ApplyResult, outbox: Path) -> None:
    total = result.changed + result.confirmed
    if not total:
        console.say("nothing to do: no corrections in the file")
        return
    known = f" ({result.known} applied before)" if result.known else ""
    console.say(
        f"{count(total, 'correction')}: {result.changed} changed, {result.confirmed} confirmed{known}"
    )
    folder = outbox / application.LABELLED
    console.say(
        f"{count_scans(result.copied)} copied to {folder}; "
        f"to train with them: digitbox train --from cnn --extra {folder}"
    )
    if result.missing:
        console.say(f"{count_scans(result.missing)} not copied: gone or changed since digitbox read them")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"
