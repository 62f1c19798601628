"""The decision on a digit from its logits: temperature, probabilities and thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.records import Manifest, Prediction, Reason, Status

Logits = npt.NDArray[np.floating[Any]]
"""Output of the model: (n, 10), or (n, 11) if it has the class `not a digit`, which is the last."""
Probabilities = npt.NDArray[np.float64]
"""(n, classes), 0 to 1; each row sums to 1."""

DIGITS = 10  # classes that are digits, 0 to 9; they come first
MAX_SIGMOID_INPUT = 60  # keeps exp from overflowing; a sigmoid hardly changes beyond it
MIN_TOTAL = 1e-300  # avoids a division by zero where all ten digits have probability 0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers that turn the logits of one model into a decision.

    Attributes:
        temperature: Divisor of the logits, above 0.
        review_below: A digit with a lower confidence goes to review, 0 to 1.
        refuse_above: A scan with a higher probability of `not a digit` is refused, 0 to 1.
        output: How logits become probabilities, `softmax` or `sigmoid`.
    """

    temperature: float
    review_below: float
    refuse_above: float
    output: str

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> Thresholds:
        """Return the thresholds of a model.

        Args:
            manifest: Manifest of the model.
            review_below: The user's threshold, 0 to 1; None for the model's own.

        Raises:
            ConfigError: `review_below` is not a probability.
        """
        if review_below is not None and not 0 <= review_below <= 1:
            raise ConfigError(f"--review-below must be from 0 to 1, not {review_below:g}")
        below = manifest.review_below if review_below is None else review_below
        return cls(manifest.temperature, below, manifest.refuse_above, manifest.output)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on one digit.

    Attributes:
        prediction: Label, confidence and probabilities, also when the digit is refused.
        status: `ok`, `review` or `refused`.
        reason: `low_confidence` for a review, the kind of what it is for a refusal; None if ok.
    """

    prediction: Prediction
    status: Status
    reason: Reason | None


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
    """Decide whether each digit is ok, needs review or is refused.

    The confidence is the probability of the label among all classes, so doubt whether the scan is a digit
    lowers it. The ten probabilities of a prediction are those of the digits alone.

    Args:
        logits: Output of the model, float32 (n, 10) or (n, 11).
        thresholds: Thresholds of the model.

    Returns:
        n decisions, in the same order.
    """
    classes = probabilities(logits, thresholds.output, thresholds.temperature)
    digits = classes[:, :DIGITS]
    labels = digits.argmax(axis=1)
    confidences = digits[np.arange(len(digits)), labels]
    not_digits = classes[:, DIGITS:].sum(axis=1)
    shares = digits / np.maximum(digits.sum(axis=1, keepdims=True), MIN_TOTAL)
    decisions = []
    for label, confidence, not_a_digit, share in zip(
        labels.tolist(), confidences.tolist(), not_digits.tolist(), shares.tolist(), strict=True
    ):
        prediction = Prediction(label, confidence, tuple(share), not_a_digit)
        if not_a_digit > thresholds.refuse_above:
            decisions.append(Decision(prediction, Status.REFUSED, Reason.NOT_A_DIGIT))
        elif confidence < thresholds.review_below:
            decisions.append(Decision(prediction, Status.REVIEW, Reason.LOW_CONFIDENCE))
        else:
            decisions.append(Decision(prediction, Status.OK, None))
    return decisions
