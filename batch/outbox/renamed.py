"""Scans that came back from done/ or failed/ under another name, since something else had theirs by then.

The earlier rows of such a scan have its former name. For the answers of people, see `corrections`.

`prune` keeps all former names. Files of results stay, and the ledger does not say which names are in them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from batch.outbox.ledger import Ledger
from batch.records import Outcome
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


def note(ledger: Ledger, scans: Iterable[tuple[Outcome, Path]]) -> FormerNames:
    """Note that scans have new names; return their former ones.

    Args:
        ledger: The ledger of the outbox.
        scans: The outcome of each scan, and the path that it has now, beside where digitbox read it.
    """
    former_names = {}
    for outcome, target in scans:
        ref, sha256 = outcome.ref, outcome.sha256
        if not sha256:
            continue
        source, former = inner_text_cell(ref.source), text_cell(ref.name)
        name = text_cell(os.path.join(os.path.dirname(ref.name), target.name))
        former_names[source, name, sha256] = former
        # If a scan with the same content is in its place, the next row of that replaces the earlier ones.
        if sha256 != digest_of(Path(ref.path)):
            row = source, name, sha256, former
            ledger.execute("INSERT OR REPLACE INTO renamed VALUES (?, ?, ?, ?)", row)
    return former_names
