"""From logits to a decision: temperature, probabilities, thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError
from batch.records import Manifest, Prediction, Reason, Status

Logits = npt.NDArray[np.float32]
"""(n, classes); the eleventh class, where there is one, is `not a digit`."""
Probabilities = npt.NDArray[np.float64]

DIGITS = 10


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How logits of one model become a decision.

    Attributes:
        temperature: logits are divided by it.
        review_below: confidence under which a digit goes to review.
        refuse_above: probability of `not a digit` above which there is no digit.
        output: `softmax` or `sigmoid`.
    """

    temperature: float
    review_below: float
    refuse_above: float
    output: str

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> Thresholds:
        """Takes the model's own thresholds, or the user's `review_below`.

        Raises:
            ConfigError: `review_below` is not a probability.
        """
        if review_below is not None and not 0 <= review_below <= 1:
            raise ConfigError(f"--review-below must be from 0 to 1, not {review_below:g}")
        below = manifest.review_below if review_below is None else review_below
        return cls(manifest.temperature, below, manifest.refuse_above, manifest.output)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of one digit: `reason` is None exactly when `status` is ok."""

    prediction: Prediction
    status: Status
    reason: Reason | None


def probabilities(logits: Logits, output: str, temperature: float) -> Probabilities:
    """Turns logits into probabilities that sum to 1.

    Args:
        logits: (n, classes).
        output: `softmax`, or `sigmoid` for a network trained with one independent output a class, whose
            outputs are divided by their sum.
        temperature: logits are divided by it (Guo et al. 2017); it never changes the order of classes.

    Returns:
        float64 (n, classes).
    """
    scaled = logits.astype(np.float64) / temperature
    if output == "sigmoid":
        weights = 1.0 / (1.0 + np.exp(-np.clip(scaled, -60, 60)))
    else:
        weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def decide(logits: Logits, thresholds: Thresholds) -> list[Decision]:
    """Decides for each digit: a prediction, for review, or refused.

    Args:
        logits: (n, 10) or (n, 11).
        thresholds: of the model.

    Returns:
        n decisions. The confidence of a digit is its share of all classes, so that doubt whether it is a
        digit at all lowers it; its ten probabilities sum to 1 among themselves.
    """
    every = probabilities(logits, thresholds.output, thresholds.temperature)
    digits = every[:, :DIGITS]
    labels = digits.argmax(axis=1)
    confidences = digits[np.arange(len(digits)), labels]
    no_digit = every[:, DIGITS:].sum(axis=1)
    shares = digits / np.maximum(digits.sum(axis=1, keepdims=True), 1e-300)
    decisions = []
    for label, sure, not_a_digit, share in zip(
        labels.tolist(), confidences.tolist(), no_digit.tolist(), shares.tolist(), strict=True
    ):
        prediction = Prediction(label, sure, tuple(share), not_a_digit)
        if not_a_digit > thresholds.refuse_above:
            decisions.append(Decision(prediction, Status.REFUSED, Reason.NOT_A_DIGIT))
        elif sure < thresholds.review_below:
            decisions.append(Decision(prediction, Status.REVIEW, Reason.LOW_CONFIDENCE))
        else:
            decisions.append(Decision(prediction, Status.OK, None))
    return decisions
