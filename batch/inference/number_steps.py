"""The steps from a grey image to a decision on a number, shared by reading, explaining and evaluating."""

from __future__ import annotations

from collections.abc import Sequence

from batch.inference import steps
from batch.inference.decision import Decision
from batch.inference.models import Model
from batch.inference.number_decision import NumberDecision, decide
from batch.inference.numbers import NumberReader
from batch.preprocessing.look import look_input
from batch.preprocessing.number_line import strip_of
from batch.records import Grey, Reason, Status

# Probabilities of a sign, set by eye on drawn digits with dots and on held-out scenes of one digit. From the
# first, a digit is for review. From the second, the readers of single digits have no say.
UNSURE_SIGN, SURE_SIGN = 0.2, 0.9


def decide_numbers(greys: Sequence[Grey], model: Model, numbers: NumberReader) -> list[NumberDecision]:
    """Take scans from their grey images to a decision on the number in each.

    Where a number may have one digit, the readers of single digits have their say: they know more hands.

    Args:
        greys: Grey images, uint8 (height, width), at least 4x4.
        model: The loaded model.
        numbers: Its reader of numbers.

    Returns:
        The decisions, in the same order.
    """
    lines = numbers.spell([strip_of(grey).picture for grey in greys])
    decisions = [decide(line, numbers.thresholds) for line in lines]
    if 1 not in numbers.lengths:
        return decisions
    answered = _answered(greys, model)
    single = [
        index
        for index, decision in enumerate(decisions)
        if answered[index] or len(decision.number) == 1 or decision.reason is Reason.BLANK
    ]
    digits = steps.examine_all([greys[index] for index in single], model)
    for index, digit in zip(single, digits, strict=True):
        sign = lines[index].sign
        if sign < SURE_SIGN:
            agreed = _agree(decisions[index], digit.decision)
            decisions[index] = _doubted(agreed) if sign >= UNSURE_SIGN else agreed
    return decisions


def _answered(greys: Sequence[Grey], model: Model) -> list[bool]:
    """Return whether the look is sure that each scan holds one digit."""
    if model.looks is None:
        return [False] * len(greys)
    glances = model.looks.glance([look_input(grey) for grey in greys])
    return [glance.confidence >= model.looks.rules.above[0] for glance in glances]


def _agree(decision: NumberDecision, digit: Decision) -> NumberDecision:
    """Join what the reader of numbers and the readers of single digits say of a scan.

    Args:
        decision: What the reader of numbers says.
        digit: What the others say.
    """
    if digit.prediction is None or digit.status is Status.REFUSED:
        return _doubted(decision)
    label, confidence = str(digit.prediction.label), digit.prediction.confidence
    if len(decision.number) > 1 and decision.status is Status.OK:
        return _doubted(decision)
    status, reason = digit.status, digit.reason
    # A sign beside a digit is never left out without a look of a person.
    if decision.reason is Reason.NOT_A_NUMBER or (decision.number != label and decision.status is Status.OK):
        status, reason = Status.REVIEW, Reason.LOW_CONFIDENCE
    return NumberDecision(status, reason, label, confidence, (confidence,))


def _doubted(decision: NumberDecision) -> NumberDecision:
    if decision.status is Status.OK:
        return decision._replace(status=Status.REVIEW, reason=Reason.LOW_CONFIDENCE)
    return decision
