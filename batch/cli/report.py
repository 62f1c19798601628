"""The command `digitbox report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from batch.cli.options import outbox_option
from batch.cli.types import LocalPath, NamedPath, Whole
from batch.errors import ConfigError
from batch.inference import model_store
from batch.locations import Location
from batch.report import pictures, rows, writing
from batch.terminal import console

_COPY = "copy its files of results to a folder, and name that"


@click.command()
@click.argument(
    "given",
    nargs=-1,
    metavar="[OUTBOX|CSV]...",
    type=LocalPath(_COPY),
)
@outbox_option("Folder of the results, when none is named.", metavar="DIR")
@click.option(
    "--output",
    type=NamedPath(dir_okay=False, path_type=Path),
    help="File to write; must not exist.  [default: report-<UTC time>.html beside the results]",
)
@click.option(
    "--pictures",
    "most_pictures",
    type=Whole(0),
    metavar="N",
    default=writing.MAX_PICTURES,
    show_default=True,
    help="Most scans to show a picture of: the doubtful first, then a sample of the others.",
)
@click.option(
    "--model",
    metavar="NAME|DIR",
    help="Where the model that read them is, if not in ./models or with digitbox.",
)
def report(
    given: tuple[Path, ...], outbox: Location, output: Path | None, most_pictures: int, model: str | None
) -> None:
    """Write one HTML page to look at results, and to correct them.

    OUTBOX is a folder of results, CSV a file of them (Parquet too); that of --outbox without any. The page
    needs no network and no server: open it in a browser. The doubtful scans come first, and are reviewed with
    the keyboard. Printed is the page's path.

    \b
    Examples:
      digitbox report
      digitbox report results/predictions-20260102T120000Z-61ac8f02.csv --output monday.html
    """
    if output is not None:
        writing.check_new(output)
    if not given:
        if not isinstance(outbox, Path):
            raise ConfigError(f"digitbox report wants files on a disk, not {outbox}: {_COPY}")
        given = (outbox,)
    paths = rows.find_sources(given)
    models = pictures.Models(None if model is None else model_store.find(model))
    console.print_line(write_report(paths, output, most_pictures, models))


def write_report(
    paths: Sequence[Path],
    output: Path | None = None,
    most_pictures: int = writing.MAX_PICTURES,
    models: pictures.Models | None = None,
    *,
    quiet: bool = False,
) -> Path:
    """Writes a report, with a bar of progress on a terminal.

    Raises:
        RunError: as of `writing.plan` and `writing.write`.
    """
    found, places = writing.plan(paths, most_pictures)
    total = None if quiet or not console.has_terminal() else len(places)
    with console.progress(total) as advance:
        return writing.write(found, places, output, models or pictures.Models(), advance)
