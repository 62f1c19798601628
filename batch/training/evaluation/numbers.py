"""The figures of numbers read from labelled scans: right ones, digits, edit distance, lengths, risk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from batch.records import Outcome, Status
from batch.training import metrics
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation import charts, report
from batch.training.evaluation.report import share, share_rows
from batch.training.metrics import Flags


class Answer(NamedTuple):
    """The answer to one labelled scan.

    Attributes:
        label: The number that it shows; None if it shows none.
        number: The number that was read; None if the scan was refused or failed.
        confidence: Its confidence, 0 to 1.
        ok: Whether the status is ok.
    """

    label: str | None
    number: str | None
    confidence: float
    ok: bool


def edit_distance(first: str, second: str) -> int:
    """Count the digits to insert, delete or replace to get from one number to another (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def figures(answers: Sequence[Answer]) -> dict[str, Any]:
    """Measure answers. A number that is refused or failed counts as not read.

    Returns:
        `numbers` is over scans that show a number, and its `ok_wrong` over those answered ok. `digits_right`
        is 1 less the edit distance over the digits of the labels. `no_number` is over the other scans.
        Each is missing if there are no such scans.
    """
    shown = [answer for answer in answers if answer.label is not None]
    result: dict[str, Any] = {}
    if shown:
        right, answered, confidences = _judged(shown)
        ok = np.array([answer.ok for answer in shown])
        distances = [edit_distance(answer.number or "", answer.label or "") for answer in shown]
        digits = sum(len(answer.label or "") for answer in shown)
        lengths = sum(
            answer.number is not None and len(answer.number) != len(answer.label or "") for answer in shown
        )
        result["numbers"] = {
            **share("right", int(right.sum()), len(shown)),
            **share("digits_right", max(0, digits - sum(distances)), digits),
            "mean_edit_distance": round(sum(distances) / len(shown), 6),
            **share("wrong_length", lengths, int(answered.sum())),
            **share("refused", int((~answered).sum()), len(shown)),
            **share("ok", int(ok.sum()), len(shown)),
            **share("ok_wrong", int((ok & ~right).sum()), int(ok.sum())),
            "calibration_error": round(
                metrics.expected_calibration_error(confidences[answered], right[answered]), 6
            ),
        }
    others = [answer for answer in answers if answer.label is None]
    if others:
        result["no_number"] = {
            **share("ok", sum(answer.ok for answer in others), len(others)),
            **share("answered", sum(answer.number is not None for answer in others), len(others)),
        }
    return result


def _judged(shown: Sequence[Answer]) -> tuple[Flags, Flags, npt.NDArray[np.float64]]:
    """Return whether each answer is right, whether it is a number at all, and its confidence, (n,) each."""
    return (
        np.array([answer.number == answer.label for answer in shown]),
        np.array([answer.number is not None for answer in shown]),
        np.array([answer.confidence for answer in shown]),
    )


def _answers_of(scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]) -> list[Answer]:
    """Take the answers from the outcomes of labelled scans, in the same order."""
    return [
        Answer(
            scan.number,
            None if outcome.label is None else str(outcome.label),
            outcome.confidence or 0.0,
            outcome.status is Status.OK,
        )
        for scan, outcome in zip(scans, outcomes, strict=True)
    ]


_WORDS = {
    "numbers": {
        "right": "numbers read right",
        "digits_right": "digits read right, by edit distance",
        "wrong_length": "read with another length",
        "refused": "refused or failed",
        "ok": "answered ok",
        "ok_wrong": "wrong among ok",
    },
    "no_number": {"ok": "no number, answered ok", "answered": "no number, answered at all"},
}


def _rows(result: dict[str, Any]) -> list[str]:
    """Return the figures as rows of the table of measures."""
    rows = [
        row for part, words in _WORDS.items() if part in result for row in share_rows(result[part], words)
    ]
    if "numbers" in result:
        numbers = result["numbers"]
        rows.append(f"| mean edit distance | {numbers['mean_edit_distance']:.3f} | {numbers['right_n']} | |")
        rows.append(f"| expected calibration error | {numbers['calibration_error']:.2%} | | |")
    return rows


def write(
    folder: Path, title: str, model: str, scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Write `evaluation.json`, `evaluation.md`, `misread.csv` and the charts to a folder.

    Args:
        folder: Folder to write to; it is made if it is missing.
        title: Name of the scans.
        model: Version of the reader of numbers.
        scans: The labelled scans.
        outcomes: Their outcomes, in the same order.

    Returns:
        The result of `figures`.
    """
    answers = _answers_of(scans, outcomes)
    result = figures(answers)
    report.write(folder, title, model, result, _rows(result), scans, outcomes)
    shown = [answer for answer in answers if answer.label is not None]
    if shown:
        right, answered, confidences = _judged(shown)
        charts.reliability(confidences[answered], right[answered], folder / "reliability.png")
        charts.risk_coverage(confidences, right, folder / "risk-coverage.png")
    return result
