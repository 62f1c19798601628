"""Training examples of a network that sees the digit: digits and own scans after the preprocessing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from batch.inference import steps
from batch.inference.classifier import Digits
from batch.preprocessing.normalise import DIGIT_PX
from batch.records import Grey


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """The input of a network with its labels.

    Attributes:
        digits: The model's input, uint8 (n, 28, 28, 1).
        labels: Labels, int32 (n,), 0 to 9.
    """

    digits: Digits
    labels: npt.NDArray[np.int32]


def prepare(scans: Iterable[tuple[Grey, int]]) -> Examples:
    """Return scans with their labels, 0 to 9, in their order, without those that the gate refuses."""
    digits: list[Digits] = []
    labels: list[int] = []
    for scan, label in scans:
        digit = steps.prepare(scan).digit
        if digit is not None:
            digits.append(digit)
            labels.append(label)
    stack = np.stack(digits) if digits else np.zeros((0, DIGIT_PX, DIGIT_PX, 1), np.uint8)
    return Examples(stack, np.array(labels, np.int32))
