"""The decision on a line: what the network says of it, and the thresholds that turn this into a status."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference.ctc import Floats
from batch.records import Manifest, Reason, Status

MIN_SHARE = 1e-12  # of a probability; the logarithm of 0 has no use
# From digit to digit in the strip, two heights of its line. Farther apart, they may be two numbers.
MAX_STEP_PX = 72.0
SIGN_PRIOR = 0.5  # how often signs occur in practice, as a share of how often the training's fields hold them
UNSEEN = 0.5  # the probability of a digit that the looks were not asked about: it says nothing


@dataclass(frozen=True, slots=True)
class NumberThresholds:
    """The numbers that turn what the network says into a decision.

    Attributes:
        slope: Slope of the confidence's log odds over those of the probability (Platt 1999), above 0.
        offset: What is added to them.
        review_below: A number with a lower confidence goes to review, 0 to 1.
        other_length: Weight of the lengths that the user does not allow, 0 to 1. With 1 the user's word
            counts for nothing, with 0 the network's.
        look_weight: Weight of what the looks say of each digit, 0 for nothing; see `ask_look`.
        look_slope: What the log odds of the looks on the least sure digit add to those of the confidence,
            at least 0.
    """

    slope: float
    offset: float
    review_below: float
    other_length: float
    look_weight: float = 0.0
    look_slope: float = 0.0

    @classmethod
    def of(cls, manifest: Manifest, review_below: float | None = None) -> NumberThresholds:
        """Return the thresholds of a model.

        Args:
            manifest: Manifest of the model.
            review_below: The user's threshold, 0 to 1; None for the model's own.
        """
        below = manifest.numbers_review_below if review_below is None else review_below
        return cls(
            manifest.numbers_slope,
            manifest.numbers_offset,
            below,
            manifest.numbers_other_length,
            manifest.numbers_look_weight,
            manifest.numbers_look_slope,
        )

    def confidence(self, share: float, seen: float = UNSEEN) -> float:
        """Return the calibrated probability that a number is right.

        Args:
            share: Its probability, 0 to 1.
            seen: The probability of its least sure digit, by the looks alone, 0 to 1.
        """
        odds = self.slope * log_odds(share) + self.look_slope * log_odds(seen) + self.offset
        return float(1 / (1 + np.exp(-odds)))


def log_odds(probability: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return the logarithm of the odds of probabilities, 0 to 1; it is bounded."""
    clipped = np.clip(probability, MIN_SHARE, 1 - MIN_SHARE)
    return np.asarray(np.log(clipped / (1 - clipped)))


class Spelled(NamedTuple):
    """What the network says of one line.

    Attributes:
        number: The most likely number of a length that the user allows; empty if there is none.
        share: Its probability, that of lengths that are not allowed counting less, 0 to 1.
        places: The probability of each character in the place of each of its digits, (digits, 11).
        middles: The columns of the strip in which its digits have their middles.
        allowed: Probability of a number of an allowed length, 0 to 1.
        other: Probability of a number of another length, 0 to 1.
        empty: Probability of no character at all, 0 to 1.
        sign: Probability of a character that is no digit, or of more digits than digitbox reads, 0 to 1.
        longer: The part of `sign` that is more digits than digitbox reads.
        seen: The probability of each digit by the looks alone, 0 to 1; empty if they were not asked.
    """

    number: str
    share: float
    places: Floats
    middles: tuple[float, ...]
    allowed: float
    other: float
    empty: float
    sign: float
    longer: float = 0.0
    seen: tuple[float, ...] = ()

    @property
    def reasons(self) -> dict[Reason, float]:
        """The probability of each reason to refuse the line, 0 to 1."""
        return {
            Reason.WRONG_LENGTH: self.other + self.longer,
            Reason.BLANK: self.empty,
            Reason.NOT_A_NUMBER: self.sign - self.longer,
        }

    @property
    def digit_shares(self) -> list[float]:
        """The probability of each digit, 0 to 1."""
        rows = zip(self.places.tolist(), map(int, self.number), strict=True)
        return [place[digit] for place, digit in rows]

    @property
    def least_seen(self) -> float:
        """The probability of the least sure digit by the looks alone, 0 to 1."""
        return min(self.seen, default=UNSEEN)


class NumberDecision(NamedTuple):
    """The decision on one line.

    Attributes:
        status: `ok`, `review` or `refused`.
        reason: Why it is not ok; None if it is.
        number: The number with its leading zeros; empty if refused.
        confidence: Calibrated probability that all of it is right, 0 to 1.
        digit_confidences: That of each digit.
    """

    status: Status
    reason: Reason | None
    number: str = ""
    confidence: float = 0.0
    digit_confidences: tuple[float, ...] = ()


def decide(spelled: Spelled, thresholds: NumberThresholds) -> NumberDecision:
    """Decide whether a line is ok, needs review or is refused.

    Args:
        spelled: What the network says of it.
        thresholds: Thresholds of the model.
    """
    refusable = SIGN_PRIOR * (spelled.sign - spelled.longer) + spelled.longer
    against = max(spelled.other * thresholds.other_length, spelled.empty, refusable)
    if against > spelled.allowed or not spelled.number:
        # The user's word on the length has no say in why there is no number of that length.
        reasons = spelled.reasons
        return NumberDecision(Status.REFUSED, max(reasons, key=lambda reason: reasons[reason]))
    confidence = thresholds.confidence(spelled.share, spelled.least_seen)
    seen = spelled.seen or (UNSEEN,) * len(spelled.number)
    # No digit is less sure than the number.
    digits = tuple(
        max(confidence, thresholds.confidence(*shares))
        for shares in zip(spelled.digit_shares, seen, strict=True)
    )
    is_apart = any(after - before > MAX_STEP_PX for before, after in itertools.pairwise(spelled.middles))
    if confidence < thresholds.review_below or is_apart:
        return NumberDecision(Status.REVIEW, Reason.LOW_CONFIDENCE, spelled.number, confidence, digits)
    return NumberDecision(Status.OK, None, spelled.number, confidence, digits)
