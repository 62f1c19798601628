"""The steps from a grey image to a decision on a number, shared by reading, explaining and evaluating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batch.inference import steps
from batch.inference.decision import Decision
from batch.inference.look import cut
from batch.inference.models import Model
from batch.inference.number_decision import NumberDecision, NumberThresholds, Spelled, decide
from batch.inference.numbers import NumberReader
from batch.preprocessing.dash import has_dash
from batch.preprocessing.look import Place, look_input
from batch.preprocessing.number_line import Strip, even_light, small_line_of, strip_of, written_part
from batch.preprocessing.slash import has_slash
from batch.records import Grey, Reason, Status

# Probabilities of a sign, set by eye on drawn digits with dots and on held-out scenes of one digit. From the
# first, a digit is for review. From the second, the readers of single digits have no say, and only a number
# that would be ok closer is a number.
UNSURE_SIGN, SURE_SIGN = 0.2, 0.9
SURE = 0.99  # confidence of a number from which nobody looks closer
NO_INK = 120  # level of a strip that paper alone stays below; what is written reaches 157 in held-out fields
RIVAL = 0.7  # probability of another answer from which a person looks


class Line(NamedTuple):
    """What was read of a scan.

    Attributes:
        strip: The strip, uint8 (40, width), of the reading that counts.
        spelled: What the reader of numbers says of it.
        decision: The decision.
        is_unclear: Whether the scan says something else in even light, so that a person looks.
    """

    strip: Grey
    spelled: Spelled
    decision: NumberDecision
    is_unclear: bool = False


def read_lines(greys: Sequence[Grey], numbers: NumberReader) -> list[Line]:
    """Read the line in each scan, and again as if in even light if there is e.g. a shadow on it.

    Args:
        greys: Grey images, uint8 (height, width), at least 4x4.
        numbers: The reader of numbers.

    Returns:
        The reading of each scan that counts, in the same order.
    """
    strips = [strip_of(grey) for grey in greys]
    lines = _read_closer(greys, strips, numbers)
    uneven = [index for index, strip in enumerate(strips) if strip.is_uneven]
    evened = [even_light(greys[index]) for index in uneven]
    in_even_light = _read_closer(evened, [strip_of(grey) for grey in evened], numbers)
    for index, line in zip(uneven, in_even_light, strict=True):
        lines[index] = _in_best_light(lines[index], line)
    return lines


def _read_closer(greys: Sequence[Grey], whole: Sequence[Strip], numbers: NumberReader) -> list[Line]:
    """Read the strip of each scan, and a small line again closer if that leaves doubt."""
    lines = _read([strip.picture for strip in whole], numbers)
    strips = {
        index: strip_of(cut(grey, place)).picture
        for index, (grey, line) in enumerate(zip(greys, lines, strict=True))
        if line.decision.confidence < SURE and (place := _place_of(grey, line)) is not None
    }
    for index, closer_line in zip(strips, _read(list(strips.values()), numbers), strict=True):
        # A sure sign is left out only for a number that would be ok, and a person looks.
        if lines[index].spelled.sign < SURE_SIGN or closer_line.decision.status is Status.OK:
            lines[index] = _surer(lines[index], closer_line)
    return lines


def _place_of(grey: Grey, line: Line) -> Place | None:
    """Return the part of a scan to read alone; None if that would tell no more."""
    is_blank = line.decision.reason is Reason.BLANK
    return small_line_of(grey) or (written_part(grey) if is_blank else None)


def _read(strips: Sequence[Grey], numbers: NumberReader) -> list[Line]:
    return [
        Line(strip, spelled, _decide(strip, spelled, numbers.thresholds))
        for strip, spelled in zip(strips, numbers.spell(strips), strict=True)
    ]


def _decide(strip: Grey, spelled: Spelled, thresholds: NumberThresholds) -> NumberDecision:
    if strip.max() <= NO_INK:
        return NumberDecision(Status.REFUSED, Reason.BLANK)
    decision = decide(spelled, thresholds)
    if decision.status is not Status.OK:
        return decision
    return _doubted(decision) if _has_sign(strip, spelled) else decision


def _has_sign(strip: Grey, spelled: Spelled) -> bool:
    """Return whether a strip shows a sign that the reader of numbers overlooks, beside a number or in it."""
    if not spelled.middles:
        return False
    return has_dash(strip, spelled.middles) or has_slash(strip, spelled.number, spelled.middles)


def _surer(whole: Line, closer: Line) -> Line:
    """Return the surer of two readings of a scan; if the other is likely to be right, a person looks."""
    best, rival = whole, closer
    if closer.decision.confidence > whole.decision.confidence or whole.decision.reason is Reason.BLANK:
        best, rival = closer, whole
    against = max(*rival.spelled.reasons.values(), rival.decision.confidence)
    if best.decision.number != rival.decision.number and against >= RIVAL:
        return best._replace(decision=_doubted(best.decision))
    return best


def _in_best_light(as_is: Line, evened: Line) -> Line:
    """Return which reading of a scan counts, as it is or in even light; if that is unclear, a person looks.

    Shadows hide digits and signs from the first. The second can take the grain of a dark table for some, but
    is seldom sure then.
    """
    best = max(as_is, evened, key=lambda line: line.decision.confidence)
    if as_is.decision.number == evened.decision.number:
        is_clear = not (_may_have_sign(as_is) or _may_have_sign(evened))
    else:
        is_clear = evened.decision.status is Status.OK
        best = evened if is_clear else best
        is_clear &= as_is.decision.reason is not Reason.NOT_A_NUMBER
    return best if is_clear else best._replace(decision=_doubted(best.decision), is_unclear=True)


def _may_have_sign(line: Line) -> bool:
    return line.spelled.sign >= UNSURE_SIGN or _has_sign(line.strip, line.spelled)


def decide_numbers(greys: Sequence[Grey], model: Model, numbers: NumberReader) -> list[Line]:
    """Take scans from their grey images to a decision on the number in each.

    Where a number may have one digit, the readers of single digits have their say: they know more hands.

    Args:
        greys: Grey images, uint8 (height, width), at least 4x4.
        model: The loaded model.
        numbers: Its reader of numbers.

    Returns:
        The lines with their decisions, in the same order.
    """
    lines = read_lines(greys, numbers)
    if 1 not in numbers.lengths:
        return lines
    answered = _answered(greys, model)
    single = [
        index
        for index, line in enumerate(lines)
        if answered[index] or len(line.decision.number) == 1 or line.decision.reason is Reason.BLANK
    ]
    digits = steps.examine_all([greys[index] for index in single], model)
    for index, digit in zip(single, digits, strict=True):
        line = lines[index]
        if line.spelled.sign < SURE_SIGN:
            agreed = _agree(line.decision, digit.decision)
            # The readers of single digits know no sign and no dash, and do not see the scan in even light.
            if line.is_unclear or _may_have_sign(line):
                agreed = _doubted(agreed)
            lines[index] = line._replace(decision=agreed)
    return lines


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
    is_rival = len(decision.number) > 1 and decision.confidence >= RIVAL
    is_rival |= decision.number != label and decision.status is Status.OK
    # A sign beside a digit is never left out without a look of a person.
    if is_rival or decision.reason is Reason.NOT_A_NUMBER:
        status, reason = Status.REVIEW, Reason.LOW_CONFIDENCE
    return NumberDecision(status, reason, label, confidence, (confidence,))


def _doubted(decision: NumberDecision) -> NumberDecision:
    if decision.status is Status.OK:
        return decision._replace(status=Status.REVIEW, reason=Reason.LOW_CONFIDENCE)
    return decision
