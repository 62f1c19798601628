"""The command `digitbox apply`."""

from __future__ import annotations

from pathlib import Path

import click

from batch.cli.options import by_option, outbox_option
from batch.cli.types import COPY_RESULTS, LocalPath, NamedPath
from batch.locations import LABELLED, command_line
from batch.report import apply as application
from batch.report.answers import is_confirmed
from batch.results.corrected import NONE, OPEN
from batch.terminal import console
from batch.text import count, count_scans, text_cell

MAX_PROBLEMS = 20  # messages on the screen; a wrong file may have one for each line


@click.command()
@click.argument("corrections", required=False, type=NamedPath(readable=False, path_type=Path))
@outbox_option(
    "Folder with the results that the report was made from.",
    LocalPath(COPY_RESULTS),
)
@by_option
def apply(corrections: Path | None, outbox: Path, by: str) -> None:
    """Apply the corrections that a report saved, all of them or none.

    CORRECTIONS is the file that the report saved. Without it, digitbox takes the newest corrections*.csv of
    this folder and of the folder for downloads.

    From then on, what you said of a scan is its result. It counts for digitbox export, status, retry and
    report, and when digitbox reads the same scan again. The published results stay as they are. digitbox
    prints a line for each changed scan. It copies the corrected scans to corrected/ in the outbox, into one
    folder for each digit or number. digitbox evaluate reads them, and digitbox train --extra those of digits.

    \b
    Examples:
      digitbox apply
      digitbox apply ~/Downloads/corrections.csv --outbox results/ --by Anna
      digitbox train --from cnn --extra outbox/corrected/ --name office
    """
    if corrections is None:
        corrections = application.find_saved([Path(), application.download_folder()])
        console.say(f"reading {text_cell(str(corrections))}")
    try:
        result = application.apply(corrections, outbox, by)
    except application.WrongLinesError as error:
        for problem in error.problems[:MAX_PROBLEMS]:
            console.say(problem)
        if (hidden_count := len(error.problems) - MAX_PROBLEMS) > 0:
            console.say(f"and {hidden_count:,} more")
        raise
    for correction in result.added:
        if not is_confirmed(correction):
            page = "" if correction.page is None else f", page {correction.page}"
            console.print_line(f"{correction.file}{page}: {correction.said} -> {correction.corrected}")
    _say_result(result, outbox)


def _say_result(result: application.ApplyResult, outbox: Path) -> None:
    total = len(result.added) + result.known + result.outdated
    if not total:
        console.say("nothing to do: no corrections in the file")
        return
    confirmed = sum(map(is_confirmed, result.added))
    opened = sum(correction.corrected == OPEN for correction in result.added)
    changed = len(result.added) - confirmed - opened
    words = [f"{changed} changed", f"{confirmed} confirmed"]
    words += [f"{opened} left open"] if opened else []
    words += [f"{result.known} known before"] if result.known else []
    words += [f"{result.outdated} older than the answer that counts"] if result.outdated else []
    export = command_line("export", outbox)
    console.say(f"{count(total, 'correction')}: {', '.join(words)}; for the results: {export}")
    folder = outbox / LABELLED
    if result.copied or folder.is_dir():
        console.say(f"{count_scans(result.copied)} copied to {folder}; {'; '.join(_uses(folder))}")
    if result.missing:
        console.say(f"{count_scans(result.missing)} not copied: gone or changed since digitbox read them")


def _uses(folder: Path) -> list[str]:
    """Return the commands for the labelled scans: numbers can be measured, and not trained on."""
    labels = {path.name for path in folder.iterdir()} - {NONE}
    numbers = {label for label in labels if len(label) > 1 and label.isdecimal()}
    uses = []
    if not numbers or labels - numbers:
        uses.append(f"to train with them: digitbox train --from cnn --extra {folder}")
    if numbers:
        uses.append(f"for numbers: digitbox evaluate {folder} --digits any")
    return uses
