"""A run as a JSON object, for programs, and as a few words, for people; its scans and its end in the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from batch.config import RunOptions
from batch.locations import absolute
from batch.outbox.run_stats import RunStats
from batch.records import Outcome, RunSummary, Status
from batch.terminal.log import event
from batch.text import count_others, count_pages, count_scans, text_cell

_log = logging.getLogger(__name__)


def as_json_object(summary: RunSummary, results: Sequence[Path | str] | None = None) -> dict[str, Any]:
    """Return a run as the object of `--summary`, `history --json` and `status --json`.

    Paths are escaped as in the results, since many programs refuse JSON with undecodable bytes.

    Args:
        summary: Summary of the run.
        results: Files of results, an address as text; None where digitbox does not know them.

    Returns:
        An object that `json.dumps` can write; it has `results` only if they were given.
    """
    coverage = summary.coverage
    values = asdict(summary) | {
        "seen": summary.seen,
        "counts": {status.value: summary.counts.get(status, 0) for status in Status},
        "coverage": None if coverage is None else round(coverage, 6),
        "rate": round(summary.rate, 3),
        "error": text_cell(summary.error),
        "inputs": [text_cell(path) for path in summary.inputs],
        "ignore": [text_cell(pattern) for pattern in summary.ignore],
    }
    del values["results"]
    if results is not None:
        values["results"] = [text_cell(absolute(path)) for path in results]
    return values


def describe(summary: RunSummary) -> str:
    """Return how many scans of a run have which status, in a few words."""
    scans = count_pages(summary.scans or summary.rows, summary.rows)
    if not summary.rows:
        return "no scans" + (f", {summary.left:,} left" if summary.left else "")
    by_status = ", ".join(f"{summary.counts.get(status, 0):,} {status.value}" for status in Status)
    left = f"; {summary.left:,} left" if summary.left else ""
    return f"{scans}: {by_status}{left}"


def describe_drift(summary: RunSummary) -> list[str]:
    """Return a sentence for each status that is much more frequent than in the runs before."""
    return [
        f"{jump['share']:.1%} of the scans are {status}, {jump['before']:.1%} in the runs before: "
        "see whether scanner, paper or forms have changed"
        for status, jump in summary.drift.items()
    ]


def describe_extra(extra: str) -> str:
    """Return a sentence for an extra that scans need and that is not installed; empty if none is missing."""
    if not extra:
        return ""
    return f"some scans need the extra '{extra}': pip install 'digitbox[{extra}]', and read them again"


def log_problems(outcomes: list[Outcome]) -> None:
    """Log a line for each scan that is not ok."""
    for outcome in outcomes:
        if outcome.status is not Status.OK:
            name, reason = text_cell(outcome.ref.name), outcome.reason or ""
            facts = event("scan", file=name, page=outcome.page, status=outcome.status, reason=reason)
            page = f", page {outcome.page}" if outcome.page else ""
            extra = f", needs the extra '{outcome.extra}'" if outcome.extra else ""
            _log.debug(f"{name}{page}: {outcome.status}, {reason}{extra}", extra=facts)


def log_end(stats: RunStats, options: RunOptions) -> None:
    """Log the summary of a run, and a warning for each thing that a person should look at."""
    summary = stats.summary()
    _log_summary(summary, options, stats.results)
    for sentence in describe_drift(summary):
        _log.warning(sentence, extra=event("drift"))
    if stats.unfinished:
        _log.warning(
            f"{count_scans(stats.unfinished)} left for the next run: still being written, or changed "
            f"in the last {stats.unfinished_s:g} s",
            extra=event("unfinished", scans=stats.unfinished),
        )
    if stats.extra:
        _log.warning(describe_extra(stats.extra), extra=event("extra"))
    if stats.not_disposed:
        _log.warning(f"{stats.not_disposed}; the next run tries again", extra=event("disposal"))


def _log_summary(summary: RunSummary, options: RunOptions, results: Sequence[Path | str]) -> None:
    skipped = f" ({count_others(summary.skipped)} skipped)" if summary.skipped else ""
    if summary.settled:
        skipped = f"; {summary.settled} had {'its' if summary.settled == 1 else 'their'} row before{skipped}"
    if summary.left and not summary.rows:
        _log.info(f"{describe(summary)}{skipped}", extra=event("summary"))
        return
    if not summary.rows:
        where = " ".join([*options.inputs[:3], *["..."][: len(options.inputs) > 3]]) or options.inbox
        new = "new " if options.only_new else ""
        _log.info(f"nothing to do: no {new}images or PDFs in {where}{skipped}", extra=event("summary"))
        return
    _log.info(
        f"{describe(summary)}{skipped}; {summary.seconds:.1f} s, {summary.rate:,.0f} images/s",
        extra=event("summary", **as_json_object(summary)),
    )
    files = results[0] if len(results) == 1 else f"{len(results):,} files"
    _log.info(f"results: {files}", extra=event("results", results=[str(path) for path in results]))
