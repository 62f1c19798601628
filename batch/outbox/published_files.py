"""The files of results that count in an outbox: those that digitbox published there."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from batch.locations import Location, state_folder
from batch.outbox import batches
from batch.outbox.ledger import Ledger, has_ledger, has_tables, open_ledger
from batch.results import names
from batch.text import count, text_cell

_log = logging.getLogger(__name__)


def find(outbox: Path) -> list[Path]:
    """Return the files that count, in the order in which digitbox published them; log what others there are.

    Those that the ledger knows count. Without one, those count whose names are as digitbox gives them, and
    the names tell the order.

    Raises:
        LedgerError: The ledger is damaged.
    """
    listed = names.find_all(outbox)
    found = names.find(outbox)
    if has_ledger(outbox):
        with open_ledger(outbox, read_only=True) as ledger:
            found = in_order(ledger, found)
    _log_others(outbox, listed, found)
    return found


def once(files: Iterable[Path]) -> list[Path]:
    """Return each file once, by the first of its names, in the order of these."""
    found: dict[str, Path] = {}
    for file in files:
        found.setdefault(os.path.realpath(file), file)
    return [*found.values()]


def in_order(ledger: Ledger, files: Iterable[Path]) -> list[Path]:
    """Return those of some files that the ledger knows, in the order in which digitbox published them.

    The times in their names need not have that order: somebody may have set the clock back.
    """
    numbers = ((batches.number_of_file(ledger, path.name), path) for path in files)
    return [path for number, path in sorted(numbers) if number]


def log_others(outbox: Path, ledger: Ledger) -> None:
    """Log which files in an outbox its ledger does not know.

    Args:
        outbox: The outbox.
        ledger: Its ledger, as it is now: a snapshot would not know a file that digitbox has just published.
    """
    listed = names.find_all(outbox)
    _log_others(outbox, listed, in_order(ledger, listed))


def _log_others(outbox: Path, listed: Sequence[Path], found: Sequence[Path]) -> None:
    counted = set(found)
    others = [path.name for path in listed if path not in counted]
    if others:
        files = f"{count(len(others), 'file')} that digitbox did not publish there"
        _log.warning(f"left out of {outbox}: {files}, e.g. {text_cell(others[0])}")


def missing_ledger(outbox: Location) -> str:
    """Return words for an outbox that has files of results and no ledger; an empty text for any other."""
    if not isinstance(outbox, Path) or has_tables(state_folder(outbox)) or not names.find(outbox):
        return ""
    return f"{outbox} has files of results and no ledger"
