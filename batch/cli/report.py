"""The command `digitbox report`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from batch.cli.options import model_option, outbox_option
from batch.cli.types import COPY_RESULTS, LocalPath, NamedPath
from batch.errors import ConfigError, OutputExistsError
from batch.inference import model_store
from batch.locations import Location
from batch.report import pictures, rows, write
from batch.terminal import console
from batch.terminal.number_types import Whole


@click.command()
@click.argument(
    "results",
    nargs=-1,
    metavar="[OUTBOX|CSV]...",
    type=LocalPath(COPY_RESULTS),
)
@outbox_option("Folder of the results, if no OUTBOX or CSV is given.", metavar="DIR")
@click.option(
    "--output",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="File to write; must not exist.  [default: report-<UTC time>.html beside the results]",
)
@click.option(
    "--pictures",
    "max_pictures",
    type=Whole(0),
    metavar="N",
    default=write.MAX_PICTURES,
    show_default=True,
    help="Show pictures of at most N scans: the doubtful ones first, then a sample of the others.",
)
@model_option
def report(
    results: tuple[Path, ...], outbox: Location, output: Path | None, max_pictures: int, model: str | None
) -> None:
    """Write one HTML page to look at results and correct them.

    OUTBOX is a folder of results, CSV a file of them (Parquet too). The page needs no network and no server:
    open it in a browser. It shows the doubtful scans first, and you review them with the keyboard. digitbox
    prints the path of the page.

    \b
    Examples:
      digitbox report
      digitbox report results/predictions-20260102T120000Z-b61ac8f02.csv --output monday.html
    """
    if output is not None and os.path.lexists(output):  # said before the work
        raise OutputExistsError(output)
    if not results:
        if not isinstance(outbox, Path):
            raise ConfigError(f"digitbox report needs files on a disk, not {outbox}: {COPY_RESULTS}")
        results = (outbox,)
    paths = rows.find_sources(results)
    rows.check_one_folder(paths)
    models = pictures.Models(None if model is None else model_store.find(model))
    console.print_line(write_report(paths, output, max_pictures, models))


def write_report(
    paths: Sequence[Path],
    output: Path | None = None,
    max_pictures: int = write.MAX_PICTURES,
    models: pictures.Models | None = None,
    *,
    quiet: bool = False,
) -> Path:
    """Write a report, with a progress bar on a terminal.

    Args:
        paths: Files of results, oldest first.
        output: Path of the report; None for a new name beside the results.
        max_pictures: Upper limit of pictures.
        models: Source of the models that read the scans; None for the installed ones.
        quiet: True for no progress bar.

    Returns:
        The path of the report.

    Raises:
        RunError: The results cannot be read, or the report cannot be written.
    """
    report_rows, indices = write.plan(paths, max_pictures)
    total = None if quiet or not console.has_terminal() else len(indices)
    with console.progress(total) as advance:
        return write.write(report_rows, indices, output, models or pictures.Models(), advance)
