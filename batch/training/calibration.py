"""What a trained model's confidence is worth: temperature, thresholds and figures, from held-out examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.classifier import Cascade, Classifier
from batch.inference.decision import Logits, Probabilities, probabilities
from batch.records import Manifest
from batch.training import calibration, metrics, prior
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.examples import Examples

MAX_RISK = 0.005  # wrong answers among those above the threshold for review
LOST_DIGITS_FRACTION = 0.001  # held-out digits that the threshold for refusal may cost
REFUSE_ABOVE = 0.5
STUDENT_RISK = 0.001  # of the student's answers that stand, those that the large model would not give


def with_temperature(classifier: Classifier, manifest: Manifest, held_out: Examples) -> Manifest:
    """Sets the temperature, from held-out examples and the logits of the model that ships."""
    temperature = _temperature(_logits(classifier, held_out), manifest, held_out)
    return dataclasses.replace(manifest, temperature=temperature)


def with_student(
    student: Classifier, classifier: Classifier, manifest: Manifest, held_out: Examples
) -> Manifest:
    """Sets from which confidence the student's answers stand: where they are the large model's own.

    Args:
        student: the small model.
        classifier: the large one.
        manifest: with the large model's temperature.
        held_out: examples that neither was trained on.
    """
    logits = _logits(student, held_out)
    temperature = _temperature(logits, manifest, held_out)
    digits = decision.probabilities(logits, manifest.output, temperature)[:, : decision.DIGITS]
    same = digits.argmax(axis=1) == _logits(classifier, held_out).argmax(axis=1)
    above = calibration.threshold_for_risk(digits.max(axis=1), same, STUDENT_RISK)
    return dataclasses.replace(manifest, student_temperature=temperature, student_above=round(above, 6))


def with_thresholds(classifier: Classifier, manifest: Manifest, held_out: Examples) -> Manifest:
    """Sets the thresholds for review and refusal, from held-out examples.

    Args:
        classifier: what ships, the student included.
        manifest: with the temperatures.
        held_out: examples that were not trained on, as hard as what people have: harder ones send more to
            review than the wanted risk asks for, easier ones too little.
    """
    every = decision.probabilities(_logits(classifier, held_out), manifest.output, manifest.temperature)
    refuse_above = REFUSE_ABOVE
    if manifest.classes > decision.DIGITS:
        digits = held_out.labels != NOT_A_DIGIT
        refuse_above = max(
            REFUSE_ABOVE, float(np.quantile(every[digits, NOT_A_DIGIT], 1 - LOST_DIGITS_FRACTION))
        )
    refuse_above = min(refuse_above, 0.999)
    answered = every[:, 10:].sum(axis=1) <= refuse_above
    right = every[:, :10].argmax(axis=1) == held_out.labels
    review_below = calibration.threshold_for_risk(
        every[:, :10].max(axis=1)[answered], right[answered], MAX_RISK, _weights(held_out)[answered]
    )
    return dataclasses.replace(
        manifest, refuse_above=round(refuse_above, 4), review_below=round(review_below, 4)
    )


def _temperature(logits: npt.NDArray[np.float32], manifest: Manifest, held_out: Examples) -> float:
    return round(calibration.fit_temperature(logits, held_out.labels, manifest.output, _weights(held_out)), 4)


def _weights(held_out: Examples) -> npt.NDArray[np.float64]:
    """What is no digit counts as often as people have it; those held out have more."""
    none = held_out.labels == NOT_A_DIGIT
    odds = prior.NOT_DIGITS_FRACTION / (1 - prior.NOT_DIGITS_FRACTION)
    return np.where(none, odds * (~none).sum() / max(1, none.sum()), 1.0)


def _logits(classifier: Classifier, tested: Examples) -> npt.NDArray[np.float32]:
    digits = tested.digits
    if not len(digits):  # the gate refused all there was
        return np.zeros((0, classifier.manifest.classes), np.float32)
    return np.concatenate([classifier.logits(digits[at : at + 256]) for at in range(0, len(digits), 256)])


def figures(
    classifier: Classifier,
    manifest: Manifest,
    tested: Examples,
    asked: npt.NDArray[np.int32] | None = None,
) -> dict[str, float | int]:
    """What is right, what is answered `ok` and how much of that is wrong.

    Args:
        classifier: to test.
        manifest: with the thresholds.
        tested: what to test on.
        asked: the labels of all that was to be tested, where the gate refused some before the model. Digits
            refused, by it or by the model, are not read; what is no digit is not answered `ok`.
    """
    asked = tested.labels if asked is None else asked
    is_digit = tested.labels != NOT_A_DIGIT
    decisions = decision.decide(_logits(classifier, tested), decision.Thresholds.of(manifest))
    ok = np.array([d.status == "ok" for d in decisions], bool)
    answered = np.array([d.status != "refused" for d in decisions], bool)
    found: dict[str, float | int] = {}
    count = int((asked != NOT_A_DIGIT).sum())
    if count:
        right = np.array([d.prediction.label for d in decisions]) == tested.labels
        sure = np.array([d.prediction.confidence for d in decisions])
        read = is_digit & answered
        correct = int((read & right).sum())
        low, high = metrics.wilson_interval(correct, count)
        wrong = (is_digit & ok & ~right).sum() / max(1, ok[is_digit].sum())
        found |= {
            "n": count,
            "correct": correct,
            "accuracy": round(correct / count, 6),
            "accuracy_low": round(low, 6),
            "accuracy_high": round(high, 6),
            "ok_fraction": round(float(ok[is_digit].sum()) / count, 6),
            "ok_wrong_fraction": round(float(wrong), 6),
            "calibration_error": round(metrics.expected_calibration_error(sure[read], right[read]), 6),
        }
    if isinstance(classifier, Cascade) and len(decisions):
        found["student_fraction"] = round(classifier.student_fraction(tested.digits), 6)
    if count < asked.size:
        found["not_digits"] = asked.size - count
        found["not_digits_ok_fraction"] = round(float(ok[~is_digit].sum()) / (asked.size - count), 6)
    return found


def fit_temperature(
    logits: Logits,
    labels: npt.NDArray[np.integer],
    output: str = "softmax",
    weights: npt.NDArray[np.float64] | None = None,
) -> float:
    """Finds the temperature under which held-out labels are most likely (Guo et al. 2017).

    Args:
        logits: (n, classes), of data that was not trained on, from the very model that ships.
        labels: (n,), below classes.
        output: as of `probabilities`.
        weights: (n,), how much each counts; None for all alike.

    Returns:
        A temperature from 0.2 to 10.
    """
    candidates = np.geomspace(0.2, 10.0, 200)
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        likely = probabilities(logits, output, temperature)[rows, labels]
        return float(-np.average(np.log(np.maximum(likely, 1e-12)), weights=weights))

    return float(min(candidates, key=loss))


def threshold_for_risk(
    confidences: Sequence[float] | Probabilities,
    correct: npt.NDArray[np.bool_],
    risk: float,
    weights: npt.NDArray[np.float64] | None = None,
) -> float:
    """Finds the smallest threshold at which few enough of the answers above it are wrong.

    Args:
        confidences: (n,), 0 to 1, of held-out data.
        correct: (n,), whether the answer was right.
        risk: share of wrong answers wanted among those at or above the threshold.
        weights: (n,), how much each counts; None for all alike.

    Returns:
        The threshold; 1.0 when no threshold reaches the risk.
    """
    coverage, risks, levels = metrics.risk_coverage(np.asarray(confidences), correct, weights)
    good = np.flatnonzero(risks <= risk)
    return float(levels[good[-1]]) if coverage.size and good.size else 1.0
