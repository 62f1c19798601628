"""The steps from files of results to a report, an HTML file beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from batch.clock import compact, utc_now
from batch.errors import OutboxError, OutputExistsError
from batch.outbox.aside import numbered
from batch.report import page, pictures, rows
from batch.storage import durable

MAX_PICTURES = 10_000  # about 3 MB of page, if they are small like the sample scans

Advance = Callable[[int], None]
"""A function that receives the number of pictures taken since its last call."""


def plan(paths: Sequence[Path], max_pictures: int = MAX_PICTURES) -> tuple[rows.ReportRows, list[int]]:
    """Read results and choose the scans that get a picture.

    Args:
        paths: Files of results, oldest first.
        max_pictures: Upper limit of pictures.

    Returns:
        The rows, and the indices of the entries that get a picture.

    Raises:
        InputError: A file of results cannot be read.
        LedgerError: The ledger beside one is damaged.
    """
    report_rows = rows.collect(paths)
    return report_rows, pictures.choose(report_rows.entries, max_pictures)


def write(
    report_rows: rows.ReportRows,
    indices: Sequence[int],
    output: Path | None,
    models: pictures.Models,
    advance: Advance,
    now: datetime | None = None,
) -> Path:
    """Write a report as a whole, and never over another file.

    Args:
        report_rows: The rows to show.
        indices: Indices of the entries that get a picture.
        output: Path of the report; None for a new name beside the results.
        models: Source of the models that read the scans.
        advance: Receives 1 after each picture.
        now: UTC time of the report; the clock's if None.

    Returns:
        The path of the report.

    Raises:
        OutputExistsError: The output exists.
        OutboxError: The report cannot be written.
    """
    created = now or utc_now()
    folder = report_rows.sources[0].parent
    pictures_by_index = {}
    for index, picture in pictures.take(report_rows.entries, indices, models):
        pictures_by_index[index] = picture
        advance(1)
    content = page.html(report_rows, pictures_by_index, created, str(folder)).encode()
    targets = numbered(folder / f"report-{compact(created)}.html") if output is None else [output]
    for target in targets:
        try:
            durable.write_new(target, content)
        except FileExistsError:
            continue
        except OSError as error:
            raise OutboxError(f"cannot write {target}: {error.strerror}; give another --output") from error
        return target
    raise OutputExistsError(target)
