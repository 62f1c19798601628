"""The decision on a digit from its logits: temperature, probabilities and thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.records import Manifest, Prediction, Reason, Status

Logits = npt.NDArray[np.floating[Any]]
"""Output of a model: (n, 10) for the digits, or (n, 12) with the classes *several digits* and *no digit*."""
Probabilities = npt.NDArray[np.float64]
"""(n, classes), 0 to 1; each row sums to 1."""

DIGITS = 10  # classes that are digits, 0 to 9; they come first
MAX_SIGMOID_INPUT = 60  # keeps exp from overflowing; a sigmoid hardly changes beyond it


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers that turn the logits of one model into a decision.

    Attributes:
        temperature: Divisor of the logits, above 0.
        review_below: A digit with a lower confidence goes to review, 0 to 1.
        output: How logits become probabilities, `softmax` or `sigmoid`.
    """

    temperature: float
    review_below: float
    output: str

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> Thresholds:
        """Return the thresholds of a model.

        Args:
            manifest: Manifest of the model.
            review_below: The user's threshold, 0 to 1; None for the model's own.
        """
        below = manifest.review_below if review_below is None else review_below
        return cls(manifest.temperature, below, manifest.output)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one scan.

    Attributes:
        prediction: Label, confidence and probabilities, also of a refused scan; None if no network saw it.
        status: `ok`, `review` or `refused`.
        reason: `low_confidence` for a review, the kind of what it is for a refusal; None if ok.
    """

    prediction: Prediction | None
    status: Status
    reason: Reason | None


def check_review_below(review_below: float | None) -> None:
    """Check the user's threshold, if there is one.

    Raises:
        ConfigError: It is not a probability.
    """
    if review_below is not None and not 0 <= review_below <= 1:
        raise ConfigError(f"review_below must be from 0 to 1, not {review_below:g}")


def probabilities(logits: Logits, output: str, temperature: float) -> Probabilities:
    """Turn logits into calibrated probabilities.

    The temperature scaling is that of Guo et al., "On calibration of modern neural networks", 2017. It never
    changes the order of the classes.

    Args:
        logits: Output of the model, float (n, classes).
        output: `softmax`; or `sigmoid` for a network with one independent output a class. The outputs of
            such a network are divided by their sum.
        temperature: Divisor of the logits, above 0.

    Returns:
        Probabilities, float64 (n, classes), 0 to 1; each row sums to 1.
    """
    scaled = logits.astype(np.float64) / temperature
    if output == "sigmoid":
        weights = 1.0 / (1.0 + np.exp(-np.clip(scaled, -MAX_SIGMOID_INPUT, MAX_SIGMOID_INPUT)))
    else:
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def decide(logits: Logits, thresholds: Thresholds) -> list[Decision]:
    """Decide whether each digit is ok or needs review.

    Args:
        logits: Output of a model of digits, float32 (n, 10).
        thresholds: Thresholds of the model.

    Returns:
        n decisions, in the same order.
    """
    likely = probabilities(logits, thresholds.output, thresholds.temperature)
    return [
        review(Prediction(label, row[label], tuple(row)), thresholds.review_below)
        for label, row in zip(likely.argmax(axis=1).tolist(), likely.tolist(), strict=True)
    ]


def review(prediction: Prediction, review_below: float) -> Decision:
    """Decide whether a prediction is ok or needs review.

    Args:
        prediction: What the networks say of a scan.
        review_below: A lower confidence needs review, 0 to 1.
    """
    if prediction.confidence < review_below:
        return Decision(prediction, Status.REVIEW, Reason.LOW_CONFIDENCE)
    return Decision(prediction, Status.OK, None)


def doubted(decision: Decision) -> Decision:
    """Return the decision for review, if it was ok."""
    if decision.status is not Status.OK:
        return decision
    return Decision(decision.prediction, Status.REVIEW, Reason.LOW_CONFIDENCE)
