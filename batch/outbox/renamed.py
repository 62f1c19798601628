"""Scans that came back from done/ or failed/ under another name, since something else had theirs by then.

The earlier rows of such a scan have its former name. If the same scan was dropped again, it has both names.
For the answers of people, see `corrections`.

`prune` keeps all former names. Files of results stay, and the ledger does not say which names are in them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from batch.outbox.ledger import Ledger
from batch.records import Outcome
from batch.results.scan_keys import ScanNames
from batch.text import inner_text_cell, text_cell

FormerNames = Mapping[tuple[str, str, str], str]
"""By source, new file and SHA-256 of a scan: the file in its earlier rows."""


def load(ledger: Ledger | None) -> ScanNames:
    """Return the names of each scan that came back under another one; nothing without a ledger."""
    # A ledger of an older version gets the table when somebody writes to it.
    if ledger is None or not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'renamed'"):
        return {}
    rows = ledger.execute("SELECT source, file, sha256, former FROM renamed")
    former_names = {(source, file, sha256): former for source, file, sha256, former in rows}
    by_first_name: defaultdict[tuple[str, str, str], set[str]] = defaultdict(set)
    for source, file, sha256 in former_names:
        names = {file}
        while (former := former_names.get((source, file, sha256), file)) not in names:
            names.add(former)
            file = former
        by_first_name[source, file, sha256] |= names
    return {
        (source, name, sha256): names
        for (source, _, sha256), names in by_first_name.items()
        for name in names
    }


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
        row = source, name, sha256, former
        ledger.execute("INSERT OR REPLACE INTO renamed VALUES (?, ?, ?, ?)", row)
    return former_names
