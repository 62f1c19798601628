"""Scans that came back from done/ or failed/ under another name, since something else had theirs by then.

The earlier rows of such a scan have its former name, and so have the answers of people.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from batch.locations import Location
from batch.outbox.corrections import CorrectionStore
from batch.outbox.corrections import load as load_corrections
from batch.outbox.ledger import Ledger
from batch.records import Outcome
from batch.results.corrected import Correction, Corrections
from batch.results.scan_keys import FormerNames
from batch.storage.disk import digest_of
from batch.text import inner_text_cell, text_cell


def load(ledger: Ledger | None) -> FormerNames:
    """Return the former name of each scan that came back under another one; nothing without a ledger."""
    # A ledger of an older version gets the table when somebody writes to it.
    if ledger is None or not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'renamed'"):
        return {}
    rows = ledger.execute("SELECT source, file, sha256, former FROM renamed")
    return {(source, file, sha256): former for source, file, sha256, former in rows}


def note(ledger: Ledger, outbox: Location, scans: Sequence[tuple[Outcome, Path]]) -> None:
    """Note that scans have new names, and give each the answers that it had under its former one.

    Args:
        ledger: The ledger of the outbox.
        outbox: The outbox.
        scans: The outcome of each scan, and the path that it has now, beside where digitbox read it.

    Raises:
        OutboxError: The disk is full.
    """
    answers: list[Correction] = []
    corrections = load_corrections(outbox) if scans else Corrections()
    for outcome, target in scans:
        ref, sha256 = outcome.ref, outcome.sha256
        source, former = inner_text_cell(ref.source), text_cell(ref.name)
        name = text_cell(os.path.join(os.path.dirname(ref.name), target.name))
        # A scan with the same content is in its place: the next row of that replaces the earlier ones.
        has_twin = sha256 == digest_of(Path(ref.path))
        if sha256 and not has_twin:
            row = source, name, sha256, former
            ledger.execute("INSERT OR REPLACE INTO renamed VALUES (?, ?, ?, ?)", row)
        for page in (None, *corrections.pages(former, sha256)):
            if answer := corrections.find(former, page, sha256, source):
                answers.append(replace(answer, file=name))
    if answers:
        with closing(CorrectionStore(outbox)) as store:
            store.add(answers)
