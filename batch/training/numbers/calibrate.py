"""The confidence and the thresholds of the reader of numbers, from fields of writers that were held out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.inference.look import Glance
from batch.inference.number_decision import NumberThresholds, Spelled, decide
from batch.inference.numbers import Glancing, NumberReader, ask_look
from batch.inference.runtimes import LiteRt
from batch.lengths import ANY, MAX_DIGITS, Lengths
from batch.preprocessing.number_line import digit_pictures
from batch.records import Grey, Status
from batch.training import calibration, metrics
from batch.training.evaluation import numbers as evaluation
from batch.training.numbers.mixture import SIGN
from batch.training.numbers.networks import COLUMN_CLASSES
from batch.training.numbers.records import NO_LABEL, Records

MAX_RISK = 0.005  # the share of wrong numbers among those that are ok
OTHER_COUNT = 0.2  # of a field that holds no number: people's folders have fewer of them than the mixture
LOOK_WEIGHTS = (0.5, 0.8, 1.2, 1.6)  # tried as the weight of the look
OTHER_LENGTHS = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)  # tried as the weight of lengths that are not allowed
WRONG_LENGTH_FRACTION = (
    0.1  # of the fields that lack a digit, or have one too many, where the length is known
)
NEWTON_STEPS = 30
MIN_SHARE = 1e-12


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
        for some in records.values():
            for picture, label in zip(some.pictures, some.labels, strict=True):
                characters = label[label != NO_LABEL].tolist()
                strips.append(picture)
                is_number = bool(characters) and SIGN not in characters and len(characters) <= MAX_DIGITS
                labels.append("".join(map(str, characters)) if is_number else None)
        return cls(strips, labels, [kind for width in records for kind in kinds[width]])


def fit(
    content: bytes, look: Glancing, held_out: HeldOut, seed: int
) -> tuple[NumberThresholds, dict[str, Any]]:
    """Fit slope, offset, the weights of the look and of other lengths, and the threshold for review.

    Args:
        content: Content of the .tflite file that ships.
        look: The looks of the model.
        held_out: Fields of writers that no training saw.
        seed: Seed of the lengths that a user is made to give.

    Returns:
        The thresholds, and figures on the same fields, so a little hopeful.
    """
    network = LiteRt(content, "the reader of numbers", COLUMN_CLASSES)
    plain = NumberThresholds(1.0, 0.0, 0.0, 1.0)
    lines = NumberReader(network, plain, ANY).spell(held_out.strips)
    seen = _Seen(look, held_out, lines)
    by_weight = {weight: ask_look(held_out.strips, lines, seen, weight) for weight in LOOK_WEIGHTS}
    weight = max(
        LOOK_WEIGHTS,
        key=lambda weight: (
            _answered(*_answers(by_weight[weight], held_out.labels, plain)),
            _right(by_weight[weight], held_out.labels),
        ),
    )
    spelled = by_weight[weight]
    shares, right, counts = _answers(spelled, held_out.labels, plain)
    slope, offset = _fit_odds(shares, right, counts)
    fitted = dataclasses.replace(plain, slope=slope, offset=offset, look_weight=weight)
    confidences = np.array([fitted.confidence(share) for share in shares.tolist()])
    below = calibration.threshold_for_risk(confidences, right, MAX_RISK, counts)
    known = _with_known_lengths(network, held_out, seed)
    other_length = max(OTHER_LENGTHS, key=lambda weight: _gain(known, held_out, weight))
    fitted = dataclasses.replace(fitted, review_below=below, other_length=other_length)
    answers = []
    for label, line in zip(held_out.labels, spelled, strict=True):
        decision = decide(line, fitted)
        is_ok = decision.status is Status.OK
        answers.append(evaluation.Answer(label, decision.number or None, decision.confidence, is_ok))
    figures = {"all": evaluation.figures(answers)}
    for kind in sorted(set(held_out.kinds)):
        of_kind = [answer for answer, word in zip(answers, held_out.kinds, strict=True) if word == kind]
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


def _right(spelled: Sequence[Spelled], labels: Sequence[str | None]) -> int:
    return sum(line.number == label for line, label in zip(spelled, labels, strict=True))


def _answers(
    spelled: Sequence[Spelled], labels: Sequence[str | None], thresholds: NumberThresholds
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    """Return the share of each line that is not refused, whether it is right, and how much it counts."""
    answers = [
        (line.share, line.number == label, OTHER_COUNT if label is None else 1.0)
        for line, label in zip(spelled, labels, strict=True)
        if decide(line, thresholds).status is not Status.REFUSED
    ]
    shares, right, counts = np.array(answers).reshape(-1, 3).T
    return shares, right.astype(np.bool_), counts


def _fit_odds(
    shares: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], counts: npt.NDArray[np.float64]
) -> tuple[float, float]:
    """Fit a logistic regression of being right on the log odds of the share, by Newton's method."""
    clipped = np.clip(shares, MIN_SHARE, 1 - MIN_SHARE)
    odds = np.log(clipped / (1 - clipped))
    design = np.stack([odds, np.ones_like(odds)], 1)
    # Platt's targets: no answer is certain, however many there are.
    target = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))
    weights = np.array([0.5, 0.0])
    for _ in range(NEWTON_STEPS):
        likely = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (counts * (target - likely))
        curvature = (design * (counts * likely * (1 - likely))[:, None]).T @ design + 1e-6 * np.eye(2)
        weights = weights + np.linalg.solve(curvature, gradient)
    return float(weights[0]), float(weights[1])


def _with_known_lengths(network: LiteRt, held_out: HeldOut, seed: int) -> list[Spelled]:
    """Read each field with the length that a user gives, which is wrong for some."""
    random = Random(seed)  # noqa: S311 (no secret)
    rows: dict[Lengths, list[int]] = {}
    for row, label in enumerate(held_out.labels):
        count = len(label) if label else random.randint(1, 7)
        if label and random.random() < WRONG_LENGTH_FRACTION:
            count = max(1, count + random.choice((-1, 1, 1, 1)))
        rows.setdefault(Lengths(count, count), []).append(row)
    plain = NumberThresholds(1.0, 0.0, 0.0, 1.0)
    lines: dict[int, Spelled] = {}
    for lengths, of_length in rows.items():
        reader = NumberReader(network, plain, lengths)
        spelled = reader.spell([held_out.strips[row] for row in of_length])
        lines |= dict(zip(of_length, spelled, strict=True))
    return [lines[row] for row in range(len(held_out.labels))]


def _answered(
    shares: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], counts: npt.NDArray[np.float64]
) -> int:
    """Return how many of some numbers can be ok at the highest risk."""
    coverage, risks, _ = metrics.risk_coverage(shares, right, counts)
    return round(float(coverage[risks <= MAX_RISK].max(initial=0)) * float(counts.sum()))


def _gain(lines: Sequence[Spelled], held_out: HeldOut, weight: float) -> tuple[int, float]:
    """Return how many numbers can be ok at the highest risk with this weight of other lengths."""
    thresholds = NumberThresholds(1.0, 0.0, 0.0, weight)
    weighed = []
    for line in lines:
        rest = line.allowed + line.empty + line.sign
        weighed.append(line._replace(share=line.share * (rest + line.other) / (rest + weight * line.other)))
    return _answered(*_answers(weighed, held_out.labels, thresholds)), weight
