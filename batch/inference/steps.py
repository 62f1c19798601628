"""The steps from a grey image to a decision, shared by reading, explaining, reports and training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from batch.inference.classifier import Classifier, Digits
from batch.inference.decision import Decision, Thresholds, decide
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


def prepare(grey: Grey, spec: PreprocessSpec, show: Show = show_nothing) -> Prepared:
    """Take one scan from its grey image to the model's input.

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


def decide_all(scans: Sequence[Prepared], model: Classifier, thresholds: Thresholds) -> list[Decision | None]:
    """Run the model on all scans that are not refused, in one batch.

    Args:
        scans: Scans after the preprocessing, with the model's own spec.
        model: The loaded model.
        thresholds: Thresholds of the model.

    Returns:
        A decision for each scan, in the same order; None for a refused one.
    """
    digits = [scan.digit for scan in scans if scan.digit is not None]
    decisions = iter(decide(model.logits(np.stack(digits)), thresholds) if digits else ())
    return [None if scan.digit is None else next(decisions) for scan in scans]
