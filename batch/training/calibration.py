"""The temperatures, thresholds and figures of a trained model, from held-out examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from batch.inference import decision
from batch.inference.classifier import Classifier
from batch.inference.decision import Logits, Probabilities
from batch.intervals import wilson_interval
from batch.records import Manifest
from batch.training import metrics
from batch.training.examples import Examples

MAX_RISK = 0.005  # the share of wrong answers among those above the threshold for review
LOGITS_CHUNK = 256  # examples that the classifier sees together; it bounds the memory


def calibrated(classifier: Classifier, manifest: Manifest, held_out: Examples) -> Manifest:
    """Set the temperature and the threshold for review, from held-out examples.

    Args:
        classifier: The classifier that ships.
        manifest: Its manifest.
        held_out: Examples that were not trained on.
    """
    logits = _logits(classifier, held_out)
    temperature = round(fit_temperature(logits, held_out.labels, manifest.output), 4)
    likely = decision.probabilities(logits, manifest.output, temperature)
    right = likely.argmax(axis=1) == held_out.labels
    review_below = round(threshold_for_risk(likely.max(axis=1), right, MAX_RISK), 4)
    return dataclasses.replace(manifest, temperature=temperature, review_below=review_below)


def _logits(classifier: Classifier, tested: Examples) -> npt.NDArray[np.float32]:
    """Return the classifier's logits of examples, (n, classes)."""
    digits = tested.digits
    if not len(digits):  # the gate has refused all scans
        return np.zeros((0, decision.DIGITS), np.float32)
    chunks = [digits[start : start + LOGITS_CHUNK] for start in range(0, len(digits), LOGITS_CHUNK)]
    return np.concatenate([classifier(chunk) for chunk in chunks])


def figures(
    classifier: Classifier, manifest: Manifest, tested: Examples, scans: int
) -> dict[str, float | int]:
    """Return how many are right, how many are answered `ok`, and how many of those are wrong.

    Args:
        classifier: The classifier to test.
        manifest: Manifest with the thresholds.
        tested: Examples to test it on.
        scans: Number of scans of the test. A digit that the gate refused is no example, and counts as not
            read.

    Returns:
        Figures by name, see `model_card.sentence`.
    """
    likely = decision.probabilities(_logits(classifier, tested), manifest.output, manifest.temperature)
    confidences, right = likely.max(axis=1), likely.argmax(axis=1) == tested.labels
    ok = confidences >= manifest.review_below
    correct = int(right.sum())
    low, high = wilson_interval(correct, scans)
    return {
        "n": scans,
        "correct": correct,
        "accuracy": round(correct / scans, 6),
        "accuracy_low": round(low, 6),
        "accuracy_high": round(high, 6),
        "ok_fraction": round(int(ok.sum()) / scans, 6),
        "ok_wrong_fraction": round(int((ok & ~right).sum()) / max(1, int(ok.sum())), 6),
        "calibration_error": round(metrics.expected_calibration_error(confidences, right), 6),
    }


def fit_temperature(logits: Logits, labels: npt.NDArray[np.integer], output: str = "softmax") -> float:
    """Find the temperature under which held-out labels are most likely (Guo et al. 2017).

    Args:
        logits: Logits, (n, classes), of data that was not trained on, from the model that ships.
        labels: Labels, (n,), from 0 and below `classes`.
        output: See `decision.probabilities`.

    Returns:
        A temperature from 0.2 to 10.
    """
    candidates = np.geomspace(0.2, 10.0, 200)
    rows = np.arange(len(labels))

    def loss(temperature: float) -> float:
        likely = decision.probabilities(logits, output, temperature)[rows, labels]
        return float(-np.mean(np.log(np.maximum(likely, 1e-12))))

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
    _, risks, levels = metrics.risk_coverage(np.asarray(confidences), correct, weights)
    low_enough = np.flatnonzero(risks <= risk)
    return float(levels[low_enough[-1]]) if low_enough.size else 1.0
