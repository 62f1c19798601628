"""The report of an evaluation: figures as JSON and Markdown, the misread scans, and a picture of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.intervals import wilson_interval
from batch.records import Grey, Outcome, Status
from batch.results.writers import CsvWriter
from batch.text import text_cell
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation import charts

MAX_MISTAKES = 40  # in the picture of mistakes
CHARTS = "confusion.png", "reliability.png", "risk-coverage.png"  # which depend on the scans


def share(name: str, count: int, n: int) -> dict[str, Any]:
    """Return a share with its count, its n and its interval, each under a name that begins so."""
    low, high = wilson_interval(count, n)
    return {
        name: round(count / n, 6) if n else None,
        f"{name}_count": count,
        f"{name}_n": n,
        f"{name}_interval": [round(low, 6), round(high, 6)],
    }


def share_rows(measures: dict[str, Any], words: Mapping[str, str]) -> list[str]:
    """Return the rows of shares for the table of measures.

    Args:
        measures: Shares, see `share`.
        words: What each share is, in words, by its name.
    """
    rows = []
    for name, text in words.items():
        value, (low, high) = measures[name], measures[f"{name}_interval"]
        shown = "-" if value is None else f"{value:.2%}"
        rows.append(f"| {text} | {shown} | {measures[f'{name}_n']} | {low:.2%} to {high:.2%} |")
    return rows


def write(
    folder: Path,
    title: str,
    model: str,
    result: dict[str, Any],
    rows: Sequence[str],
    scans: Sequence[LabelledScan],
    outcomes: Sequence[Outcome],
    confusion: Sequence[str] = (),
) -> None:
    """Write `evaluation.json`, `evaluation.md`, `misread.csv` and `mistakes.png`.

    Args:
        folder: Folder to write to; it is made if it is missing. It loses the charts of an evaluation before.
        title: Name of the scans.
        model: Version of the model.
        result: The figures.
        rows: The figures as rows of the table of measures.
        scans: The labelled scans.
        outcomes: Their outcomes, in the same order.
        confusion: Lines with the confusion matrix.
    """
    reasons = Counter(f"{o.status.value} {o.reason.value if o.reason else ''}".strip() for o in outcomes)
    folder.mkdir(parents=True, exist_ok=True)
    for name in CHARTS:  # the evaluation of other scans may have left one that this one does not draw
        (folder / name).unlink(missing_ok=True)
    record = {"data": title, "model": model, **result, "reasons": dict(reasons)}
    (folder / "evaluation.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    lines = [
        f"# {text_cell(title)}",
        "",
        f"Model `{model}`.",
        "",
        "| measure | value | n | 95% interval |",
        "|---|---|---|---|",
        *rows,
        "",
        "| status and reason | scans |",
        "|---|---|",
        *(f"| {reason} | {count} |" for reason, count in reasons.most_common()),
        *confusion,
    ]
    (folder / "evaluation.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    misread = [
        (scan, outcome)
        for scan, outcome in zip(scans, outcomes, strict=True)
        if outcome.status is Status.FAILED or outcome.label != _shown(scan)
    ]
    _write_misread(folder / "misread.csv", misread)
    worst = sorted(misread, key=lambda pair: -(pair[1].confidence or 0.0))[:MAX_MISTAKES]
    pictures = [(_picture(scan), _caption(scan, outcome)) for scan, outcome in worst]
    charts.contact_sheet(pictures, folder / "mistakes.png")


def _shown(scan: LabelledScan) -> int | str | None:
    """Return the digit or number that a scan shows; None if it shows none."""
    return scan.label if scan.number is None else scan.number


def _label(scan: LabelledScan) -> str:
    shown = _shown(scan)
    return "none" if shown is None else str(shown)


def _write_misread(target: Path, misread: Sequence[tuple[LabelledScan, Outcome]]) -> None:
    """Write a line for each scan that was read wrong, refused or not read, in the order of the scans."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = CsvWriter(file, ("file", "label", "prediction", "confidence", "status", "reason"))
        for scan, outcome in misread:
            reason = outcome.reason and outcome.reason.value
            answer = outcome.label, outcome.confidence, outcome.status.value, reason
            writer.add((text_cell(scan.ref.name), _label(scan), *answer))


def _picture(scan: LabelledScan) -> Grey:
    """Return a scan, or a grey square if it cannot be read."""
    try:
        return decode.read(scan.ref, MAX_PIXELS).grey
    except ImageError:
        return np.full((28, 28), 200, np.uint8)


def _caption(scan: LabelledScan, outcome: Outcome) -> str:
    if outcome.label is None:
        return f"{_label(scan)}: {outcome.reason.value if outcome.reason else outcome.status.value}"
    return f"{_label(scan)} read as {outcome.label}, {outcome.confidence:.2f}"
