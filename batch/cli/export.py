"""The command `digitbox export`."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO

import click

from batch.cli import values
from batch.cli.options import outbox_option
from batch.cli.types import LocalPath, NamedPath
from batch.errors import ConfigError, InputError, OutboxError, OutputExistsError
from batch.outbox import corrections, published_files
from batch.outbox.export import STDOUT, PublishedRows, RowFilter, export_rows
from batch.outbox.ledger import has_ledger, open_ledger
from batch.records import Status
from batch.results import schema
from batch.results.spreadsheets import ExcelEuWriter, ExcelWriter
from batch.results.writers import CsvWriter, ParquetWriter, Writer
from batch.storage.durable import new_file
from batch.terminal import console
from batch.terminal.number_types import Whole
from batch.text import count

BINARY_WRITERS: Mapping[str, Callable[[IO[bytes], list[str]], Writer]] = {
    "parquet": ParquetWriter,
    "xlsx": ExcelWriter,
}
CSV_WRITERS: Mapping[str, Callable[[IO[str], list[str]], Writer]] = {
    "standard": CsvWriter,
    "excel-eu": ExcelEuWriter,
}


@click.command()
@outbox_option(
    kind=LocalPath("copy its files of results, e.g. with aws s3 cp --recursive; each begins with the columns")
)
@values.since_option
@values.until_option
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.value for status in Status]),
    help="Write only rows of this status. You can give it several times.",
)
@click.option(
    "--latest",
    is_flag=True,
    help="Write only the last row of each scan. Rows are of one scan if source, file, page and sha256 are "
    "the same. A scan that you named in another way, e.g. by its file, is another one.",
)
@click.option(
    "--published",
    is_flag=True,
    help="Write the rows as digitbox published them, without what people said of them since.",
)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(schema.EXPORT_FORMATS),
    default="csv",
    show_default=True,
    help="Format to write. parquet and xlsx need --output. parquet needs the extra 'parquet', and xlsx needs "
    "the extra 'excel'.",
)
@click.option(
    "--dialect",
    type=click.Choice([*CSV_WRITERS]),
    default="standard",
    show_default=True,
    help="Form of the CSV. excel-eu is for Excel where a comma is the decimal mark: it writes semicolons "
    "between cells, and a byte order mark.",
)
@click.option(
    "--pictures",
    "max_pictures",
    metavar="N",
    type=Whole(1),
    help="With xlsx, add the pictures of at most N scans that are not ok, in a last column.",
)
@click.option(
    "--output",
    type=NamedPath(readable=False, path_type=Path),
    default=STDOUT,
    show_default=True,
    help="File to write, which must not exist. - is stdout. A suffix .csv, .parquet or .xlsx must be that of "
    "the format.",
)
def export(
    outbox: Path,
    since: datetime | None,
    until: datetime | None,
    statuses: tuple[str, ...],
    latest: bool,
    published: bool,
    format_name: str,
    dialect: str,
    max_pictures: int | None,
    output: Path,
) -> None:
    """Write the rows of many batches as one file: CSV, Parquet or Excel.

    digitbox takes exactly the rows that it published, in that order, as the ledger of the outbox has them.
    What a person said of a scan, with digitbox review or apply, is its result. The last columns are corrected
    and comment: what the model had said of such a scan, and the comment. --status looks at the result, too.

    --since and --until compare with the column processed_at. digitbox leaves out files of results that
    somebody removed from the outbox or changed there. It names the first one and ends with 4.

    \b
    Examples:
      digitbox export --since 2026-11-01 --until 2026-11-30 --output november.csv
      digitbox export --latest --status review | wc -l
      digitbox export --published --output as-read.csv
      digitbox export --format xlsx --output november.xlsx
      digitbox export --format xlsx --pictures 1000 --output november.xlsx
    """
    choice = RowFilter(since=since, until=until, statuses=statuses, latest=latest)
    schema.check_format(format_name)
    if output == STDOUT and format_name != "csv":
        raise ConfigError(f"{format_name} cannot be written to stdout: give --output FILE")
    suffix = output.suffix.lower().removeprefix(".")
    if suffix in schema.EXPORT_FORMATS and suffix != format_name:
        raise ConfigError(
            f"{output} has the suffix of another format than {format_name}: add --format {suffix}, or name "
            "another file"
        )
    if dialect != "standard" and format_name != "csv":
        raise ConfigError(f"--dialect is for CSV, not for {format_name}: leave it out")
    if max_pictures and format_name != "xlsx":
        raise ConfigError("--pictures is for Excel's files: add --format xlsx")
    with ExitStack() as opened:
        ledger = None
        if has_ledger(outbox):
            ledger = opened.enter_context(open_ledger(outbox, read_only=True))
            published_files.log_others(outbox, ledger)
            ledger.hold_snapshot()
        elif missing := published_files.missing_ledger(outbox):
            raise InputError(
                f"{missing}: join the files, each begins with the columns, or use digitbox.read_results"
            )
        source = PublishedRows(ledger, outbox, choice)
        effective = None if published else corrections.load(outbox)
        export_to = functools.partial(export_rows, source, effective)
        binary_writer = BINARY_WRITERS.get(format_name)
        if max_pictures:
            from batch.report.picture_sheet import PictureWriter

            binary_writer = functools.partial(
                PictureWriter, ledger=ledger, outbox=outbox, max_pictures=max_pictures
            )
        number = _write(export_to, output, binary_writer, CSV_WRITERS[dialect])
    rows = count(number, "row")
    files = count(source.batches, "file")
    console.say(f"{rows} of {files} of results" + ("" if output == STDOUT else f" in {output}"))
    if source.missing:
        more = f" and {source.missing - 1} more" if source.missing > 1 else ""
        raise InputError(
            f"left out what was taken away from {outbox}, or changed there: {source.first_missing}{more}; "
            "bring it back for its rows"
        )


def _write(
    export_to: Callable[[Callable[[list[str]], Writer]], int],
    output: Path,
    binary_writer: Callable[[IO[bytes], list[str]], Writer] | None,
    csv_writer: Callable[[IO[str], list[str]], Writer],
) -> int:
    if output == STDOUT:
        with console.stdout_table() as file:
            return export_to(lambda names: csv_writer(file, names))
    try:
        with new_file(output) as file:
            if binary_writer is not None:
                return export_to(lambda names: binary_writer(file, names))
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            rows = export_to(lambda names: csv_writer(text, names))
            text.detach()
            return rows
    except FileExistsError as error:
        raise OutputExistsError(output) from error
    except OSError as error:
        raise OutboxError(
            f"cannot write {output}: {error.strerror or error}; make room or give another --output"
        ) from error
