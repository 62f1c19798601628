"""How well a model reads labelled scans: figures as JSON and Markdown, and pictures."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.engines import local
from batch.errors import ImageError
from batch.images import decode
from batch.records import Grey, Outcome, Status
from batch.training import metrics
from batch.training.data.labelled_scans import LabelledScan

REFUSED = 10  # as a prediction: no digit was answered
NO_DIGIT = -1  # as a label
MISTAKES = 40  # shown in the picture


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What was said of labelled scans, (n,) each.

    Attributes:
        labels: 0 to 9, or `NO_DIGIT`.
        predictions: 0 to 9, or `REFUSED` where none was given.
        confidences: of the predictions, 0 to 1; 0 where none was given.
        ok: whether the status is ok.
        not_a_digit: probability that it is none; 1 where the gate refused it.
    """

    labels: npt.NDArray[np.int64]
    predictions: npt.NDArray[np.int64]
    confidences: npt.NDArray[np.float64]
    ok: npt.NDArray[np.bool_]
    not_a_digit: npt.NDArray[np.float64]

    @classmethod
    def of(cls, scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]) -> Answers:
        """Takes the answers from what a run made of the scans, in the same order."""
        return cls(
            np.array([NO_DIGIT if scan.label is None else scan.label for scan in scans], np.int64),
            np.array([REFUSED if o.label is None else o.label for o in outcomes], np.int64),
            np.array([o.confidence or 0.0 for o in outcomes], np.float64),
            np.array([o.status is Status.OK for o in outcomes], np.bool_),
            np.array([1.0 if o.not_a_digit is None else o.not_a_digit for o in outcomes], np.float64),
        )


def answer(reader: local.ScanReader, scans: Sequence[LabelledScan], workers: int) -> list[Outcome]:
    """Reads labelled scans as a run would."""
    if "tensorflow" in sys.modules:
        workers = 1  # it cannot be forked
    with local.Engine(reader, workers) as engine:
        pieces = list(engine.map((scan.ref for scan in scans), 256))
    return [outcome for piece in pieces for outcome in piece]


def figures(answers: Answers) -> dict[str, Any]:
    """Figures of merit; a scan of a digit that was refused or failed counts as wrong.

    Returns:
        What goes into `evaluation.json`. Those of digits are over scans that show one, `ok_*` over those
        answered ok; `no_digit` is over scans that show none, and missing where there are none.
    """
    digit = answers.labels != NO_DIGIT
    result: dict[str, Any] = {}
    if digit.any():
        labels, predictions = answers.labels[digit], answers.predictions[digit]
        right, ok = labels == predictions, answers.ok[digit]
        answered = predictions != REFUSED
        confidences = answers.confidences[digit]
        result["digits"] = {
            **_share("accuracy", int(right.sum()), len(labels)),
            **_share("ok", int(ok.sum()), len(labels)),
            **_share("ok_wrong", int((ok & ~right).sum()), int(ok.sum())),
            "refused": int((~answered).sum()),
            "calibration_error": round(
                metrics.expected_calibration_error(confidences[answered], right[answered]), 6
            ),
            "per_class": {
                str(label): _share(
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
            **_share("ok", int(ok.sum()), len(ok)),
            **_share("answered", int((answers.predictions[~digit] != REFUSED).sum()), len(ok)),
        }
        if digit.any():
            result["no_digit"]["auroc"] = round(metrics.auroc(answers.not_a_digit, ~digit), 6)
            result["no_digit"]["auroc_of_confidence"] = round(metrics.auroc(-answers.confidences, ~digit), 6)
    return result


def figure(result: dict[str, Any]) -> dict[str, float | int]:
    """The figures as the manifest of a model has them, see `card.sentence`."""
    found: dict[str, float | int] = {}
    if "digits" in result:
        part = result["digits"]
        low, high = part["accuracy_interval"]
        found |= {
            "n": part["accuracy_n"],
            "correct": part["accuracy_count"],
            "accuracy": part["accuracy"],
            "accuracy_low": low,
            "accuracy_high": high,
            "ok_fraction": part["ok"],
            "ok_wrong_fraction": part["ok_wrong"] or 0.0,
            "calibration_error": part["calibration_error"],
        }
    if "no_digit" in result:
        part = result["no_digit"]
        found |= {"not_digits": part["ok_n"], "not_digits_ok_fraction": part["ok"]}
    return found


def _share(name: str, count: int, n: int) -> dict[str, Any]:
    low, high = metrics.wilson_interval(count, n)
    return {
        name: round(count / n, 6) if n else None,
        f"{name}_count": count,
        f"{name}_n": n,
        f"{name}_interval": [round(low, 6), round(high, 6)],
    }


def markdown(title: str, model: str, result: dict[str, Any], reasons: Counter[str]) -> str:
    """The figures for people."""
    lines = [
        f"# {title}",
        "",
        f"Model `{model}`.",
        "",
        "| measure | value | n | 95% interval |",
        "|---|---|---|---|",
    ]

    def row(words: str, part: dict[str, Any], name: str) -> None:
        value, (low, high) = part[name], part[f"{name}_interval"]
        shown = "-" if value is None else f"{value:.2%}"
        lines.append(f"| {words} | {shown} | {part[f'{name}_n']} | {low:.2%} to {high:.2%} |")

    if "digits" in result:
        part = result["digits"]
        row("digits read right", part, "accuracy")
        row("answered ok", part, "ok")
        row("wrong among ok", part, "ok_wrong")
        answered = part["accuracy_n"] - part["refused"]
        lines.append(f"| expected calibration error | {part['calibration_error']:.2%} | {answered} | |")
    if "no_digit" in result:
        part = result["no_digit"]
        row("no digit, answered ok", part, "ok")
        row("no digit, answered at all", part, "answered")
        if "auroc" in part:
            lines.append(f"| AUROC of not a digit | {part['auroc']:.4f} | | |")
    lines += ["", "| status and reason | scans |", "|---|---|"]
    lines += [f"| {reason} | {count} |" for reason, count in reasons.most_common()]
    if "digits" in result:
        lines += [
            "",
            "| label | " + " | ".join(map(str, range(10))) + " | refused | right |",
            "|---" * 13 + "|",
        ]
        for label, row_of_counts in enumerate(result["digits"]["confusion"]):
            if sum(row_of_counts):
                right = f"{row_of_counts[label] / sum(row_of_counts):.2%}"
                lines.append(f"| **{label}** | " + " | ".join(map(str, row_of_counts)) + f" | {right} |")
    return "\n".join(lines) + "\n"


def write(
    folder: Path, title: str, model: str, scans: Sequence[LabelledScan], outcomes: Sequence[Outcome]
) -> dict[str, Any]:
    """Writes `evaluation.json`, `evaluation.md` and the pictures to a folder, and returns the figures."""
    from batch.training.evaluation import charts

    answers = Answers.of(scans, outcomes)
    result = figures(answers)
    reasons = Counter(f"{o.status.value} {o.reason.value if o.reason else ''}".strip() for o in outcomes)
    folder.mkdir(parents=True, exist_ok=True)
    record = {"data": title, "model": model, **result, "reasons": dict(reasons)}
    (folder / "evaluation.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (folder / "evaluation.md").write_text(markdown(title, model, result, reasons), encoding="utf-8")
    digit = answers.labels != NO_DIGIT
    if digit.any():
        right = answers.labels == answers.predictions
        answered = digit & (answers.predictions != REFUSED)
        charts.confusion(np.array(result["digits"]["confusion"]), folder / "confusion.png")
        charts.reliability(answers.confidences[answered], right[answered], folder / "reliability.png")
        charts.risk_coverage(answers.confidences[digit], right[digit], folder / "risk-coverage.png")
    wrong = np.flatnonzero(
        answers.labels != np.where(answers.predictions == REFUSED, NO_DIGIT, answers.predictions)
    )
    worst = wrong[np.argsort(-answers.confidences[wrong], kind="stable")][:MISTAKES]
    pictures = [(_picture(scans[place]), _caption(scans[place], outcomes[place])) for place in worst.tolist()]
    charts.contact_sheet(pictures, folder / "mistakes.png")
    return result


def _picture(scan: LabelledScan) -> Grey:
    try:
        return decode.read(scan.ref, 64_000_000).grey
    except ImageError:
        return np.full((28, 28), 200, np.uint8)


def _caption(scan: LabelledScan, outcome: Outcome) -> str:
    label = "none" if scan.label is None else str(scan.label)
    if outcome.label is None:
        return f"{label}: {outcome.reason.value if outcome.reason else outcome.status.value}"
    return f"{label} read as {outcome.label}, {outcome.confidence:.2f}"
