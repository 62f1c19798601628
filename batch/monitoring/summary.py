"""A run as a JSON object, for programs, and as a few words, for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batch.locations import absolute
from batch.records import RunSummary, Status
from batch.text import count_scans, text_cell


def as_json_object(summary: RunSummary, results: Sequence[Path | str] | None = None) -> dict[str, Any]:
    """What `--summary`, `history --json` and `status --json` have of a run.

    Paths are escaped as in the results: what is no text in them would be no JSON to many programs.

    Args:
        summary: of the run.
        results: files of results, an address as text; None where they are not known any more.
    """
    coverage = summary.coverage
    found = asdict(summary) | {
        "seen": summary.seen,
        "counts": {status.value: summary.counts.get(status, 0) for status in Status},
        "coverage": None if coverage is None else round(coverage, 6),
        "rate": round(summary.rate, 3),
        "error": text_cell(summary.error),
        "inputs": [text_cell(path) for path in summary.inputs],
        "ignore": [text_cell(pattern) for pattern in summary.ignore],
    }
    if results is not None:
        found["results"] = [text_cell(absolute(path)) for path in results]
    return found


def describe(summary: RunSummary) -> str:
    """How many scans had which result."""
    scans = count_scans(summary.rows)
    if not summary.rows:
        return "no scans" + (f", {summary.left:,} left" if summary.left else "")
    of_each = ", ".join(f"{summary.counts.get(status, 0):,} {status.value}" for status in Status)
    left = f"; {summary.left:,} left" if summary.left else ""
    return f"{scans}: {of_each}{left}"


def describe_drift(summary: RunSummary) -> list[str]:
    """A sentence for each status of which there is much more than in the runs before."""
    return [
        f"{found['share']:.1%} of the scans are {status}, {found['before']:.1%} in the runs before: "
        "see whether scanner, paper or forms have changed"
        for status, found in summary.drift.items()
    ]
