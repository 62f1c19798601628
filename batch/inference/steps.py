"""The steps from a grey image to a decision, shared by reading, explaining, reports and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from batch.inference import decision
from batch.inference.classifier import Digits
from batch.inference.decision import Decision
from batch.inference.look import Looks, Sight
from batch.inference.models import Model
from batch.preprocessing.ink import Ink, Show, find_ink, show_nothing
from batch.preprocessing.normalise import normalise
from batch.preprocessing.quality import check_single_digit
from batch.records import Grey, Reason, Status


class Prepared(NamedTuple):
    """A scan after the preprocessing.

    Attributes:
        ink: The ink that the preprocessing found.
        refusal: Why the ink cannot be one digit; None if the model should look at it.
        digit: The model's input, uint8 (28, 28, 1), 0 paper to 255 ink; None if refused.
    """

    ink: Ink
    refusal: Reason | None
    digit: Digits | None


class Examined(NamedTuple):
    """A scan after all steps.

    Attributes:
        decision: The answer.
        sight: What the looks saw; None if the model has none.
        digit: The model's input, see `Prepared`; None if the model sees the scan itself, or saw nothing.
    """

    decision: Decision
    sight: Sight | None = None
    digit: Digits | None = None


def examine_all(greys: Sequence[Grey], model: Model) -> list[Examined]:
    """Take scans from their grey images to decisions.

    Args:
        greys: Grey images, uint8 (height, width), at least 4x4.
        model: The loaded model.

    Returns:
        The scans in the same order. A scan's decision does not depend on the others.
    """
    if isinstance(model.network, Looks):
        return [Examined(sight.decision, sight) for sight in model.network.see(greys)]
    scans = [prepare(grey) for grey in greys]
    digits = [scan.digit for scan in scans if scan.digit is not None]
    classifier, thresholds = model.network
    logits = classifier(np.stack(digits)) if digits else np.zeros((0, decision.DIGITS), np.float32)
    decided = iter(decision.decide(logits, thresholds))
    return [
        Examined(Decision(None, Status.REFUSED, scan.refusal))
        if scan.digit is None
        else Examined(next(decided), digit=scan.digit)
        for scan in scans
    ]


def prepare(grey: Grey, show: Show = show_nothing) -> Prepared:
    """Take one scan through the preprocessing of a model that sees the digit, not the scan.

    Args:
        grey: Grey image, uint8 (height, width), at least 4x4.
        show: Called with the name and the picture of each step.

    Returns:
        The ink, and either the model's input or the reason why there is none.
    """
    ink = find_ink(grey, show)
    refusal = check_single_digit(ink)
    return Prepared(ink, refusal, normalise(ink) if refusal is None else None)
