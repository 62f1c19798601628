"""The confidence and the thresholds of the reader of numbers, from fields of writers that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference.decision import probabilities
from batch.inference.look import Glance
from batch.inference.number_decision import MIN_SHARE, NumberThresholds, Spelled, decide, log_odds
from batch.inference.numbers import Glancing, NumberReader, ask_look
from batch.inference.runtimes import LiteRt
from batch.lengths import ANY, MAX_DIGITS, Lengths
from batch.preprocessing.number_line import digit_pictures
from batch.records import Grey, Status
from batch.training import calibration
from batch.training.evaluation import numbers as evaluation
from batch.training.numbers.mixture import SIGN
from batch.training.numbers.networks import COLUMN_CLASSES
from batch.training.numbers.records import NO_LABEL, Records

MAX_RISK = 0.004  # the share of wrong numbers among those that are ok; 0.5% is the promise for unlike scans
OTHER_COUNT = 0.2  # of a field that holds no number: people's folders have fewer of them than the mixture
LOOK_WEIGHTS = (0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 1.6)  # tried as the weight of the look
OTHER_LENGTHS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # tried as the weight of lengths that are not allowed
WRONG_LENGTH_FRACTION = 0.1  # of the fields with a known length: they lack a digit, or have one too many
LENGTH_DRAWS = 3  # lengths that a user gives for each field; the best weight of others depends on them
PLAIN = NumberThresholds(1.0, 0.0, 0.0, 1.0)  # the probability of the network is the confidence
NEWTON_STEPS, MAX_STEP = 30, 1.0  # of each weight: a hardly trained network would make it larger and larger


@dataclass(frozen=True)
class HeldOut:
    """Held-out fields.

    Attributes:
        strips: Their strips.
        labels: Their numbers as text; None for what is no number.
        kinds: Word for what each is.
    """

    strips: list[Grey]
    labels: list[str | None]
    kinds: list[str]

    @classmethod
    def of(cls, records: dict[int, Records], kinds: dict[int, list[str]]) -> HeldOut:
        """Take the fields from records by width."""
        strips: list[Grey] = []
        labels: list[str | None] = []
        for fields in records.values():
            for picture, label in zip(fields.pictures, fields.labels, strict=True):
                characters = label[label != NO_LABEL].tolist()
                strips.append(picture)
                is_number = bool(characters) and SIGN not in characters and len(characters) <= MAX_DIGITS
                labels.append("".join(map(str, characters)) if is_number else None)
        return cls(strips, labels, [kind for width in records for kind in kinds[width]])


def fit(
    content: bytes, look: Glancing, held_out: HeldOut, seed: int
) -> tuple[NumberThresholds, dict[str, Any]]:
    """Fit the confidence, the weights of the looks and of other lengths, and the threshold for review.

    The weight of the looks is the one under which the written digits are the most likely. That of other
    lengths is the one under which what is right and wrong is the most likely.

    Args:
        content: Content of the .tflite file that ships.
        look: The looks of the model.
        held_out: Fields of writers that no training saw.
        seed: Seed of the lengths that a user is made to give.

    Returns:
        The thresholds, and figures on the same fields, so a little hopeful.
    """
    network = LiteRt(content, "the reader of numbers", COLUMN_CLASSES)
    lines = NumberReader(network, PLAIN, ANY).spell(held_out.strips)
    is_read = np.array([decide(line, PLAIN).status is not Status.REFUSED for line in lines])
    seen = _Seen(look, held_out, lines)
    joined = {weight: ask_look(held_out.strips, lines, seen, weight) for weight in LOOK_WEIGHTS}
    weight = max(LOOK_WEIGHTS, key=lambda weight: _likelihood(joined[weight], held_out.labels))
    spelled = joined[weight]
    answers = _answers(spelled, held_out.labels).take(is_read)
    odds = _fit_odds(answers)
    below = calibration.threshold_for_risk(odds.confidences(answers), answers.right, MAX_RISK, answers.counts)
    fitted = NumberThresholds(
        odds.slope, odds.offset, below, _best_other_length(network, held_out, seed), weight, odds.look_slope
    )
    measured = []
    for label, line in zip(held_out.labels, spelled, strict=True):
        decision = decide(line, fitted)
        is_ok = decision.status is Status.OK
        measured.append(evaluation.Answer(label, decision.number or None, decision.confidence, is_ok))
    figures = {"all": evaluation.figures(measured)}
    for kind in sorted(set(held_out.kinds)):
        of_kind = [answer for answer, word in zip(measured, held_out.kinds, strict=True) if word == kind]
        figures[kind] = evaluation.figures(of_kind)
    return fitted, figures


class _Seen:
    """What the looks say of the digits of some lines, asked once.

    Args:
        look: The looks.
        held_out: The fields.
        lines: What the network says of them.
    """

    def __init__(self, look: Glancing, held_out: HeldOut, lines: Sequence[Spelled]) -> None:
        pairs = zip(held_out.strips, lines, strict=True)
        self._glances = look.glance_twice(
            [picture for strip, line in pairs for picture in digit_pictures(strip, line.middles)]
        )

    def glance_twice(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Return what the looks say of these digits, which are those of the lines."""
        assert len(pictures) == len(self._glances)
        return self._glances


def _likelihood(spelled: Sequence[Spelled], labels: Sequence[str | None]) -> float:
    """Return the mean log probability of the digits that are written, where the length is right.

    They get the temperature that suits them best: how sure the numbers may be is for the odds to say.
    """
    rows = [
        (place, int(digit))
        for line, label in zip(spelled, labels, strict=True)
        if label and len(label) == len(line.number)
        for place, digit in zip(line.places, label, strict=True)
    ]
    if not rows:  # a network that has hardly been trained
        return -np.inf
    logits = np.log(np.maximum([place for place, _ in rows], MIN_SHARE))
    digits = np.array([digit for _, digit in rows])
    temperature = calibration.fit_temperature(logits, digits)
    likely = probabilities(logits, "softmax", temperature)[range(len(digits)), digits]
    return float(np.log(np.maximum(likely, MIN_SHARE)).mean())


class _Answers(NamedTuple):
    """The numbers that were read of n fields.

    Attributes:
        shares: Log odds of their probabilities, float64 (n,).
        seen: Log odds of their least sure digits, by the looks alone, float64 (n,).
        right: Whether they are right, bool (n,).
        counts: How much each field counts, float64 (n,).
    """

    shares: npt.NDArray[np.float64]
    seen: npt.NDArray[np.float64]
    right: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.float64]

    def take(self, rows: npt.NDArray[np.bool_]) -> _Answers:
        """Return those of some fields."""
        return _Answers(self.shares[rows], self.seen[rows], self.right[rows], self.counts[rows])


class _Odds(NamedTuple):
    """A logistic regression of being right.

    Attributes:
        slope: Slope of the log odds of the probability.
        look_slope: That of the log odds of the least sure digit, by the looks alone, at least 0.
        offset: What is added to them.
        loss: Mean negative log likelihood of the answers that it was fitted to.
    """

    slope: float
    look_slope: float
    offset: float
    loss: float

    def confidences(self, answers: _Answers) -> npt.NDArray[np.float64]:
        """Return the probability that each answer is right."""
        odds = self.slope * answers.shares + self.look_slope * answers.seen + self.offset
        return _probability(odds)


def _probability(odds: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return probabilities of log odds of any size."""
    return np.asarray((1 + np.tanh(odds / 2)) / 2)


def _answers(spelled: Sequence[Spelled], labels: Sequence[str | None]) -> _Answers:
    return _Answers(
        log_odds([line.share for line in spelled]),
        log_odds([line.least_seen for line in spelled]),
        np.array([line.number == label for line, label in zip(spelled, labels, strict=True)]),
        np.array([OTHER_COUNT if label is None else 1.0 for label in labels]),
    )


def _fit_odds(answers: _Answers) -> _Odds:
    """Fit the odds of being right by Newton's method."""
    _, _, right, counts = answers
    # Platt's targets: no answer is certain, however many there are.
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    columns = [answers.shares, np.ones(len(right))]
    # Where nobody asked the looks, or they know nothing that the network does not, the share is all.
    for features in ([*columns, answers.seen], columns):
        design = np.stack(features, 1)
        weights = np.zeros(design.shape[1])
        weights[0] = 0.5
        for _ in range(NEWTON_STEPS):
            likely = _probability(design @ weights)
            gradient = design.T @ (counts * (target - likely))
            curvature = (design * (counts * likely * (1 - likely))[:, None]).T @ design
            step = np.linalg.solve(curvature + 1e-6 * np.eye(len(weights)), gradient)
            weights = weights + np.clip(step, -MAX_STEP, MAX_STEP)
        likely = np.clip(_probability(design @ weights), MIN_SHARE, 1 - MIN_SHARE)
        losses = -np.where(right, np.log(likely), np.log(1 - likely))
        slope, offset, look_slope = [*weights.tolist(), 0.0][:3]
        if look_slope >= 0:
            break
    return _Odds(slope, look_slope, offset, float(counts @ losses / max(1.0, counts.sum())))


def _with_known_lengths(network: LiteRt, held_out: HeldOut, seed: int) -> list[Spelled]:
    """Read each field with the length that a user gives, which is wrong for some."""
    random = Random(seed)  # noqa: S311 (no secret)
    rows: dict[Lengths, list[int]] = {}
    for row, label in enumerate(held_out.labels):
        count = len(label) if label else random.randint(1, 7)
        if label and random.random() < WRONG_LENGTH_FRACTION:
            count = max(1, count + random.choice((-1, 1, 1, 1)))
        rows.setdefault(Lengths(count, count), []).append(row)
    lines: dict[int, Spelled] = {}
    for lengths, of_length in rows.items():
        spelled = NumberReader(network, PLAIN, lengths).spell([held_out.strips[row] for row in of_length])
        lines |= dict(zip(of_length, spelled, strict=True))
    return [lines[row] for row in range(len(held_out.labels))]


def _best_other_length(network: LiteRt, held_out: HeldOut, seed: int) -> float:
    """Return the weight of lengths that are not allowed under which the answers are the most likely.

    Args:
        network: The loaded network.
        held_out: The fields.
        seed: Seed of the lengths that a user is made to give, several times for each field.
    """
    lines = [
        line for draw in range(LENGTH_DRAWS) for line in _with_known_lengths(network, held_out, seed + draw)
    ]
    labels = [*held_out.labels] * LENGTH_DRAWS

    def loss(weight: float) -> float:
        weighed = []
        for line in lines:
            rest = line.allowed + line.empty + line.sign
            weighed.append(
                line._replace(share=line.share * (rest + line.other) / (rest + weight * line.other))
            )
        return _fit_odds(_answers(weighed, labels)).loss

    return min(OTHER_LENGTHS, key=loss)
