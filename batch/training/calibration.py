"""The temperatures, thresholds and figures of a trained model, from held-out examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.classifier import Cascade, Classifier
from batch.inference.decision import Logits, Probabilities
from batch.intervals import wilson_interval
from batch.records import Manifest
from batch.training import metrics, prior
from batch.training.data.datasets import NOT_A_DIGIT
from batch.training.examples import Examples

MAX_RISK = 0.005  # the share of wrong answers among those above the threshold for review
MAX_LOST_FRACTION = 0.001  # held-out digits that the threshold for refusal may cost
REFUSE_ABOVE = 0.5  # the lowest threshold for refusal: no digit is likelier than a digit
MAX_REFUSE_ABOVE = 0.999  # the highest one; above it, the model is sure that there is no digit
MAX_STUDENT_RISK = 0.001  # answers of the student that stand and differ from the large model's
LOGITS_CHUNK = 256  # examples that the classifier sees together; it bounds the memory


def with_temperature(classifier: Classifier, manifest: Manifest, held_out: Examples) -> Manifest:
    """Set the temperature, from held-out examples and the logits of the model that ships."""
    temperature = _temperature(_logits(classifier, held_out), manifest, held_out)
    return dataclasses.replace(manifest, temperature=temperature)


def with_student(
    student: Classifier, classifier: Classifier, manifest: Manifest, held_out: Examples
) -> Manifest:
    """Set the confidence from which the student's answers stand, because the large model would give the same.

    Args:
        student: The small model.
        classifier: The large one.
        manifest: Manifest with the large model's temperature.
        held_out: Examples that neither was trained on.
    """
    logits = _logits(student, held_out)
    temperature = _temperature(logits, manifest, held_out)
    digits = decision.probabilities(logits, manifest.output, temperature)[:, : decision.DIGITS]
    same = digits.argmax(axis=1) == _logits(classifier, held_out).argmax(axis=1)
    above = threshold_for_risk(digits.max(axis=1), same, MAX_STUDENT_RISK)
    return dataclasses.replace(manifest, student_temperature=temperature, student_above=round(above, 6))


def with_thresholds(classifier: Classifier, manifest: Manifest, held_out: Examples) -> Manifest:
    """Set the thresholds for review and refusal, from held-out examples.

    Args:
        classifier: The classifier that ships, the student included.
        manifest: Manifest with the temperatures.
        held_out: Examples that were not trained on, as hard as what people scan. Harder ones send more to
            review than `MAX_RISK` asks for, easier ones less.
    """
    likely = decision.probabilities(_logits(classifier, held_out), manifest.output, manifest.temperature)
    refuse_above = REFUSE_ABOVE
    if manifest.classes > decision.DIGITS:
        is_digit = held_out.labels != NOT_A_DIGIT
        refuse_above = max(
            REFUSE_ABOVE, float(np.quantile(likely[is_digit, NOT_A_DIGIT], 1 - MAX_LOST_FRACTION))
        )
    refuse_above = min(refuse_above, MAX_REFUSE_ABOVE)
    digits = likely[:, : decision.DIGITS]
    answered = likely[:, decision.DIGITS :].sum(axis=1) <= refuse_above
    right = digits.argmax(axis=1) == held_out.labels
    review_below = threshold_for_risk(
        digits.max(axis=1)[answered], right[answered], MAX_RISK, _weights(held_out)[answered]
    )
    return dataclasses.replace(
        manifest, refuse_above=round(refuse_above, 4), review_below=round(review_below, 4)
    )


def _temperature(logits: npt.NDArray[np.float32], manifest: Manifest, held_out: Examples) -> float:
    return round(fit_temperature(logits, held_out.labels, manifest.output, _weights(held_out)), 4)


def _weights(held_out: Examples) -> npt.NDArray[np.float64]:
    """Return weights, (n,), under which `not a digit` is as rare as in people's folders."""
    is_none = held_out.labels == NOT_A_DIGIT
    odds = prior.NOT_DIGITS_FRACTION / (1 - prior.NOT_DIGITS_FRACTION)
    return np.where(is_none, odds * (~is_none).sum() / max(1, is_none.sum()), 1.0)


def _logits(classifier: Classifier, tested: Examples) -> npt.NDArray[np.float32]:
    """Return the classifier's logits of examples, (n, classes)."""
    digits = tested.digits
    if not len(digits):  # the gate has refused all scans
        return np.zeros((0, classifier.manifest.classes), np.float32)
    chunks = [digits[start : start + LOGITS_CHUNK] for start in range(0, len(digits), LOGITS_CHUNK)]
    return np.concatenate([classifier.logits(chunk) for chunk in chunks])


def figures(
    classifier: Classifier,
    manifest: Manifest,
    tested: Examples,
    all_labels: npt.NDArray[np.int32] | None = None,
) -> dict[str, float | int]:
    """Return how many are right, how many are answered `ok`, and how many of those are wrong.

    Args:
        classifier: The classifier to test.
        manifest: Manifest with the thresholds.
        tested: Examples to test it on.
        all_labels: Labels of all scans of the test, those that the gate refused included; None if it refused
            none. A digit that the gate or the model refuses counts as not read.

    Returns:
        Figures by name, see `model_card.sentence`. Those of digits are missing if there are none, and those
        of what is no digit likewise.
    """
    all_labels = tested.labels if all_labels is None else all_labels
    is_digit = tested.labels != NOT_A_DIGIT
    decisions = decision.decide(_logits(classifier, tested), decision.Thresholds.of(manifest))
    ok = np.array([d.status == "ok" for d in decisions], bool)
    answered = np.array([d.status != "refused" for d in decisions], bool)
    result: dict[str, float | int] = {}
    count = int((all_labels != NOT_A_DIGIT).sum())
    if count:
        right = np.array([d.prediction.label for d in decisions]) == tested.labels
        confidences = np.array([d.prediction.confidence for d in decisions])
        read = is_digit & answered
        correct = int((read & right).sum())
        low, high = wilson_interval(correct, count)
        wrong = (is_digit & ok & ~right).sum() / max(1, ok[is_digit].sum())
        result |= {
            "n": count,
            "correct": correct,
            "accuracy": round(correct / count, 6),
            "accuracy_low": round(low, 6),
            "accuracy_high": round(high, 6),
            "ok_fraction": round(float(ok[is_digit].sum()) / count, 6),
            "ok_wrong_fraction": round(float(wrong), 6),
            "calibration_error": round(metrics.expected_calibration_error(confidences[read], right[read]), 6),
        }
    if isinstance(classifier, Cascade) and len(decisions):
        result["student_fraction"] = round(classifier.student_fraction(tested.digits), 6)
    if count < all_labels.size:
        result["not_digits"] = all_labels.size - count
        result["not_digits_ok_fraction"] = round(float(ok[~is_digit].sum()) / (all_labels.size - count), 6)
    return result


def fit_temperature(
    logits: Logits,
    labels: npt.NDArray[np.integer],
    output: str = "softmax",
    weights: npt.NDArray[np.float64] | None = None,
) -> float:
    """Find the temperature under which held-out labels are most likely (Guo et al. 2017).

    Args:
        logits: Logits, (n, classes), of data that was not trained on, from the model that ships.
        labels: Labels, (n,), from 0 and below `classes`.
        output: See `decision.probabilities`.
        weights: How much each counts, (n,); None for all alike.

    Returns:
        A temperature from 0.2 to 10.
    """
    candidates = np.geomspace(0.2, 10.0, 200)
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        likely = decision.probabilities(logits, output, temperature)[rows, labels]
        return float(-np.average(np.log(np.maximum(likely, 1e-12)), weights=weights))

    return float(min(candidates, key=loss))


def threshold_for_risk(
    confidences: Sequence[float] | Probabilities,
    correct: npt.NDArray[np.bool_],
    risk: float,
    weights: npt.NDArray[np.float64] | None = None,
) -> float:
    """Find the smallest threshold at which few enough of the answers above it are wrong.

    Args:
        confidences: Confidences of held-out data, (n,), 0 to 1.
        correct: Whether the answer was right, (n,).
        risk: Highest share of wrong answers among those at or above the threshold.
        weights: How much each counts, (n,); None for all alike.

    Returns:
        The threshold; 1.0 if no threshold reaches the risk.
    """
    coverage, risks, levels = metrics.risk_coverage(np.asarray(confidences), correct, weights)
    low_enough = np.flatnonzero(risks <= risk)
    return float(levels[low_enough[-1]]) if coverage.size and low_enough.size else 1.0
