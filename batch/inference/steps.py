"""The steps from a grey image to a decision, shared by reading, explaining, reports and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from batch.inference import look
from batch.inference.classifier import Digits
from batch.inference.decision import Decision, decide
from batch.inference.look import Glance
from batch.inference.models import Model
from batch.preprocessing.ink import Ink, Show, find_ink, show_nothing
from batch.preprocessing.look import look_input
from batch.preprocessing.quality import check_single_digit
from batch.preprocessing.views import normalise
from batch.records import Grey, PreprocessSpec, Reason, Status


class Prepared(NamedTuple):
    """A scan after the preprocessing.

    Attributes:
        ink: The ink that the preprocessing found.
        refusal: Why the ink cannot be one digit; None if the model should look at it.
        digit: The model's input, uint8 (28, 28, channels), 0 paper to 255 ink; None if refused.
    """

    ink: Ink
    refusal: Reason | None
    digit: Digits | None


class Examined(NamedTuple):
    """A scan before the decision.

    Attributes:
        glance: What the look says of the scan; None if the model has no look.
        prepared: The scan after the preprocessing; None if the look settled it before.
        refusal: Why the scan is not one digit; None if there will be a decision.
    """

    glance: Glance | None
    prepared: Prepared | None
    refusal: Reason | None

    @property
    def digit(self) -> Digits | None:
        """The model's input; None if the model is not needed."""
        return None if self.prepared is None else self.prepared.digit


def examine_all(greys: Sequence[Grey], model: Model) -> list[Examined]:
    """Take scans from their grey images to what the decision needs: look first, then find the ink.

    Args:
        greys: Grey images, uint8 (height, width), at least 4x4.
        model: The loaded model.

    Returns:
        The scans in the same order. The preprocessing runs only on those that the look does not settle.
    """
    glances: list[Glance | None] = [None] * len(greys)
    if model.look is not None:
        glances = [*model.look.glance([look_input(grey) for grey in greys])]
    return [_examine(grey, glance, model) for grey, glance in zip(greys, glances, strict=True)]


def _examine(grey: Grey, glance: Glance | None, model: Model) -> Examined:
    if glance is not None and model.look is not None:
        if model.look.thresholds.refuse(glance):
            return Examined(glance, None, Reason.SEVERAL_DIGITS)
        if model.look.thresholds.answer(glance):
            return Examined(glance, None, None)
    prepared = prepare(grey, model.manifest.preprocess)
    return Examined(glance, prepared, prepared.refusal)


def prepare(grey: Grey, spec: PreprocessSpec, show: Show = show_nothing) -> Prepared:
    """Take one scan through the preprocessing, from its grey image to the model's input.

    Args:
        grey: Grey image, uint8 (height, width), at least 4x4.
        spec: Spec of the model's input.
        show: Called with the name and the picture of each step.

    Returns:
        The ink, and either the model's input or the reason why there is none.
    """
    ink = find_ink(grey, show)
    refusal = check_single_digit(ink)
    return Prepared(ink, refusal, normalise(ink, spec) if refusal is None else None)


def decide_all(scans: Sequence[Examined], model: Model) -> list[Decision | None]:
    """Decide on all scans that are not refused. The model sees in one batch those that need it.

    Args:
        scans: Scans examined for this model.
        model: The loaded model.

    Returns:
        A decision for each scan, in the same order; None for a refused one.
    """
    digits = [digit for scan in scans if (digit := scan.digit) is not None]
    decisions = iter(decide(model.classifier.logits(np.stack(digits)), model.thresholds) if digits else ())
    return [
        None if scan.refusal is not None else _decide(scan, model, next(decisions) if scan.prepared else None)
        for scan in scans
    ]


def _decide(scan: Examined, model: Model, decision: Decision | None) -> Decision | None:
    """Return the decision on a scan, given the model's; that is None if the model has not seen the scan."""
    if model.look is None or scan.glance is None:
        return decision
    if decision is None:
        return look.decide(scan.glance, model.thresholds)
    label = decision.prediction.label
    if decision.status is Status.OK and model.look.thresholds.doubt(scan.glance, label):
        return Decision(decision.prediction, Status.REVIEW, Reason.LOW_CONFIDENCE)
    return decision
