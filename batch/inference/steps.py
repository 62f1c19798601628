"""The steps from a grey image to a decision, shared by reading, explaining, reports and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from batch.inference import decision
from batch.inference.classifier import Digits
from batch.inference.decision import Decision
from batch.inference.look import Sight
from batch.inference.models import Model
from batch.preprocessing.ink import Ink, Show, find_ink, show_nothing
from batch.preprocessing.quality import check_single_digit
from batch.preprocessing.views import normalise
from batch.records import Grey, PreprocessSpec, Reason


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
        sight: What the looks saw; None if the model has none.
        prepared: The scan after the preprocessing; None if the looks settled it before.
        refusal: Why the scan is not one digit; None if there will be a decision.
    """

    sight: Sight | None
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
        The scans in the same order. The preprocessing runs only on those that the looks do not settle.
    """
    sights: Sequence[Sight | None] = [None] * len(greys) if model.looks is None else model.looks.see(greys)
    return [_examine(grey, sight, model) for grey, sight in zip(greys, sights, strict=True)]


def _examine(grey: Grey, sight: Sight | None, model: Model) -> Examined:
    if sight is not None and (sight.is_sure or sight.refusal is not None):
        return Examined(sight, None, sight.refusal)
    prepared = prepare(grey, model.manifest.preprocess)
    # A person should see a digit that the preprocessing misses, e.g. one in pale pencil.
    is_missed = prepared.refusal is not None and sight is not None and sight.is_digit
    return Examined(sight, prepared, None if is_missed else prepared.refusal)


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
    decided = iter(_decide_with_model(scans, np.stack(digits), model) if digits else ())
    decisions: list[Decision | None] = []
    for scan in scans:
        if scan.refusal is not None:
            decisions.append(None)
        elif scan.digit is not None:
            decisions.append(next(decided))
        elif model.looks is not None and scan.sight is not None:
            decisions.append(model.looks.decide(scan.sight))
    return decisions


def _decide_with_model(scans: Sequence[Examined], digits: Digits, model: Model) -> list[Decision]:
    """Decide on those scans that have a digit, given all their digits."""
    logits = model.classifier.logits(digits)
    if model.looks is None:
        return decision.decide(logits, model.thresholds)
    shares = decision.probabilities(logits, model.thresholds.output, model.thresholds.temperature)
    sights = [scan.sight for scan in scans if scan.digit is not None and scan.sight is not None]
    return model.looks.weigh(sights, shares)
