"""Networks and looks that say what a test of numbers wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from batch.inference.look import Glance
from batch.inference.number_decision import NumberThresholds
from batch.inference.spelling import BLANK, CLASSES, SIGN
from batch.preprocessing.number_line import WIDTHS_PX
from batch.records import Grey

PLAIN = NumberThresholds(slope=1.0, offset=0.0, review_below=0.6, other_length=0.2)
STRIP = np.full((40, WIDTHS_PX[1], 1), 48, np.uint8)[..., 0]


class Spelling:
    """A network that spells these texts with these shares, whatever it sees; `+` is no digit."""

    def __init__(self, shares: dict[str, float]) -> None:
        self._shares = shares

    def outputs(self, batch: npt.NDArray[np.uint8]) -> list[npt.NDArray[np.float32]]:
        """Name a mixture of the texts: each has every second frame, so paths of several mix little."""
        count = batch.shape[2] // 4
        frames = np.full((count, CLASSES), 1e-9)
        for text, share in self._shares.items():
            path = np.full(count, BLANK)
            path[1 : 2 * len(text) : 2] = [SIGN if character == "+" else int(character) for character in text]
            frames[range(count), path] += share
        logits = np.log(np.tile(frames, (len(batch), 1, 1))).astype(np.float32)
        return [logits.reshape(len(batch), 1, -1, 24)]


class Glances:
    """Looks that say these digits for the pictures they see, one after the other."""

    def __init__(self, digits: str, confidence: float = 0.9) -> None:
        rest = (1 - confidence) / 9
        rows = [np.where(np.arange(10) == int(digit), confidence, rest) for digit in digits]
        self._glances = [
            Glance(int(digit), confidence, tuple(row.tolist()), 0.0, 0.0)
            for digit, row in zip(digits, rows, strict=True)
        ]
        self.pictures: list[Grey] = []

    def glance_twice(self, pictures: Sequence[Grey]) -> list[Glance]:
        """Say the next digits."""
        first = len(self.pictures)
        self.pictures += pictures
        return self._glances[first : len(self.pictures)]
