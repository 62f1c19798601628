"""The evaluation of a model on labelled scans: figures as JSON and Markdown, and charts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.engines.local import Engine
from batch.engines.workers import ScanReader
from batch.records import Outcome, Reason, Status, by_file
from batch.training import metrics
from batch.training.data.labelled_scans import LabelledScan
from batch.training.evaluation import charts, report

REFUSED = 10  # the prediction for a scan that is refused or failed
NO_DIGIT = -1  # the label of what is no digit
SCANS_CHUNK = 256  # scans that are read together, as in a run; it bounds the memory


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The answers of a model to labelled scans, (n,) each.

    Attributes:
        labels: Labels, 0 to 9, or `NO_DIGIT`.
        predictions: Predictions, 0 to 9, or `REFUSED` if there is none.
        confidences: Confidences of the predictions, 0 to 1; 0 if there is none.
        ok: Whether the status is ok.
        not_a_digit: Probability that the scan is not one digit; 1 if the gate refused it.
    """

    labels: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    ok: npt.NDArray[np.bool_]
    not_a_digit: npt.NDArray[np.float64]

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each answer is right. It is right to refuse what is no digit."""
        return self.predictions == np.where(self.labels == NO_DIGIT, REFUSED, self.labels)

    @classmethod
    def of(cls, scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]) -> Answers:
        """Take the answers from the outcomes of the scans, in the same order."""
        return cls(
            np.array([NO_DIGIT if scan.label is None else scan.label for scan in scans], np.int64),
            np.array([REFUSED if o.label is None else o.label for o in outcomes], np.int64),
            np.array([o.confidence or 0.0 for o in outcomes], np.float64),
            np.array([o.status is Status.OK for o in outcomes], np.bool_),
            np.array([1.0 if o.not_a_digit is None else o.not_a_digit for o in outcomes], np.float64),
        )


def answer(reader: ScanReader, scans: Sequence[LabelledScan], workers: int) -> list[Outcome]:
    """Read labelled scans as a run does; a file of several pages has no label, so it is refused."""
    if "tensorflow" in sys.modules:
        workers = 0  # TensorFlow does not survive a fork
    with Engine(reader, workers) as engine:
        chunks = list(engine.map((scan.ref for scan in scans), SCANS_CHUNK))
    files = by_file(outcome for chunk in chunks for outcome in chunk)
    return [pages[0] if len(pages) == 1 else _several(pages) for pages in files]


def _several(pages: Sequence[Outcome]) -> Outcome:
    first = pages[0]
    return Outcome(first.ref, Status.REFUSED, Reason.SEVERAL_PAGES, first.sha256, pages=len(pages))


def figures(answers: Answers) -> dict[str, Any]:
    """Measure the answers. A digit that is refused or failed counts as wrong.

    Returns:
        The figures for `evaluation.json`. `digits` is over scans that show a digit, and its `ok_*` over those
        answered ok. `no_digit` is over scans that show none. Each is missing if there are no such scans.
    """
    digit = answers.labels != NO_DIGIT
    result: dict[str, Any] = {}
    if digit.any():
        labels, predictions = answers.labels[digit], answers.predictions[digit]
        right, ok = answers.right[digit], answers.ok[digit]
        answered = predictions != REFUSED
        confidences = answers.confidences[digit]
        result["digits"] = {
            **report.share("accuracy", int(right.sum()), len(labels)),
            **report.share("ok", int(ok.sum()), len(labels)),
            **report.share("ok_wrong", int((ok & ~right).sum()), int(ok.sum())),
            "refused": int((~answered).sum()),
            "calibration_error": round(
                metrics.expected_calibration_error(confidences[answered], right[answered]), 6
            ),
            "per_class": {
                str(label): report.share(
                    "accuracy", int(right[labels == label].sum()), int((labels == label).sum())
                )
                for label in range(10)
                if (labels == label).any()
            },
            "confusion": metrics.confusion_matrix(labels, predictions, 11)[:10].tolist(),
        }
    if not digit.all():
        ok = answers.ok[~digit]
        result["no_digit"] = {
            **report.share("ok", int(ok.sum()), len(ok)),
            **report.share("answered", int((answers.predictions[~digit] != REFUSED).sum()), len(ok)),
        }
        if digit.any():
            result["no_digit"]["auroc"] = round(metrics.auroc(answers.not_a_digit, ~digit), 6)
            result["no_digit"]["auroc_of_confidence"] = round(metrics.auroc(-answers.confidences, ~digit), 6)
    return result


def for_manifest(result: dict[str, Any]) -> dict[str, float | int]:
    """Return the figures in the form of a manifest, see `model_card.sentence`."""
    figures: dict[str, float | int] = {}
    if "digits" in result:
        digits = result["digits"]
        low, high = digits["accuracy_interval"]
        figures |= {
            "n": digits["accuracy_n"],
            "correct": digits["accuracy_count"],
            "accuracy": digits["accuracy"],
            "accuracy_low": low,
            "accuracy_high": high,
            "ok_fraction": digits["ok"],
            "ok_wrong_fraction": digits["ok_wrong"] or 0.0,
            "calibration_error": digits["calibration_error"],
        }
    if "no_digit" in result:
        no_digit = result["no_digit"]
        figures |= {"not_digits": no_digit["ok_n"], "not_digits_ok_fraction": no_digit["ok"]}
    return figures


def _rows(result: dict[str, Any]) -> list[str]:
    """Return the figures as rows of the table of measures."""
    rows = []
    if "digits" in result:
        digits = result["digits"]
        words = {"accuracy": "digits read right", "ok": "answered ok", "ok_wrong": "wrong among ok"}
        rows += report.share_rows(digits, words)
        answered = digits["accuracy_n"] - digits["refused"]
        rows.append(f"| expected calibration error | {digits['calibration_error']:.2%} | {answered} | |")
    if "no_digit" in result:
        no_digit = result["no_digit"]
        words = {"ok": "no digit, answered ok", "answered": "no digit, answered at all"}
        rows += report.share_rows(no_digit, words)
        if "auroc" in no_digit:
            rows.append(f"| AUROC of not a digit | {no_digit['auroc']:.4f} | | |")
    return rows


def _confusion(result: dict[str, Any]) -> list[str]:
    """Return the confusion matrix as lines of Markdown; none if no scan shows a digit."""
    if "digits" not in result:
        return []
    lines = ["", "| label | " + " | ".join(map(str, range(10))) + " | refused | right |", "|---" * 13 + "|"]
    for label, counts in enumerate(result["digits"]["confusion"]):
        if sum(counts):
            right = f"{counts[label] / sum(counts):.2%}"
            lines.append(f"| **{label}** | " + " | ".join(map(str, counts)) + f" | {right} |")
    return lines


def write(
    folder: Path, title: str, model: str, scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Write `evaluation.json`, `evaluation.md`, `misread.csv` and the charts to a folder.

    Args:
        folder: Folder to write to; it is made if it is missing.
        title: Name of the scans.
        model: Version of the model.
        scans: The labelled scans.
        outcomes: Their outcomes, in the same order.

    Returns:
        The result of `figures`.
    """
    answers = Answers.of(scans, outcomes)
    result = figures(answers)
    report.write(folder, title, model, result, _rows(result), scans, outcomes, _confusion(result))
    digit = answers.labels != NO_DIGIT
    if digit.any():
        answered = digit & (answers.predictions != REFUSED)
        charts.confusion(np.array(result["digits"]["confusion"]), folder / "confusion.png")
        charts.reliability(answers.confidences[answered], answers.right[answered], folder / "reliability.png")
        charts.risk_coverage(answers.confidences[digit], answers.right[digit], folder / "risk-coverage.png")
    return result
