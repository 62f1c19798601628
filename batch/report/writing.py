"""One report: from files of results to an HTML file beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from batch.clock import compact
from batch.errors import ConfigError, OutboxError
from batch.report import page, pictures, rows
from batch.storage import durable

MAX_PICTURES = 10_000

Advance = Callable[[int], None]
"""Is told how many more pictures there are."""


def plan(paths: Sequence[Path], most_pictures: int = MAX_PICTURES) -> tuple[rows.Found, list[int]]:
    """Reads results, and chooses which scans get a picture.

    Raises:
        InputError: results cannot be read.
        LedgerError: the ledger beside them is damaged.
    """
    found = rows.collect(paths)
    return found, pictures.choose(found.entries, most_pictures)


def write(
    found: rows.Found,
    places: Sequence[int],
    output: Path | None,
    models: pictures.Models,
    advance: Advance,
    now: datetime | None = None,
) -> Path:
    """Writes a report, whole or not at all, and never over another file.

    Args:
        found: what it shows.
        places: of the entries with a picture.
        output: where to; None for a new name beside the results.
        models: where the models that read the scans are looked for.
        advance: is told of each picture.
        now: UTC; the clock, if not given.

    Returns:
        Its path.

    Raises:
        ConfigError: the output exists.
        OutboxError: it cannot be written.
    """
    created = now or datetime.now(UTC)
    folder = found.sources[0].parent
    if output is not None:
        check_new(output)
    taken = {}
    for place, picture in pictures.take(found.entries, places, models):
        taken[place] = picture
        advance(1)
    content = page.html(found, taken, created, str(folder)).encode()
    name = f"report-{compact(created)}"
    number = 1
    while True:
        target = output or folder / (f"{name}.html" if number == 1 else f"{name}-{number}.html")
        try:
            durable.write_new(target, content)
        except FileExistsError as error:
            if output is not None:
                raise ConfigError(f"{output} exists: give another --output") from error
            number += 1
            continue
        except OSError as error:
            raise OutboxError(f"cannot write {target}: {error.strerror}; give another --output") from error
        return target


def check_new(output: Path) -> None:
    """Checks that nothing is where a report shall be, before it is made.

    Raises:
        ConfigError: something is.
    """
    if os.path.lexists(output):
        raise ConfigError(f"{output} exists: give another --output")
