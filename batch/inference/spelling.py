"""From what the network says of lines to numbers and their probabilities.

Each line is read more than once, from pictures that differ a little. The probabilities of the readings are
averaged, so those of all numbers together still come to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from batch.inference import ctc
from batch.inference.decision import DIGITS
from batch.inference.number_decision import MIN_SHARE, Spelled
from batch.lengths import MAX_DIGITS, Lengths

# The classes after the ten digits: what is written and no digit, and the blank of CTC.
SIGN, BLANK = DIGITS, DIGITS + 1
CLASSES = DIGITS + 2
FRAME_PX = 4  # columns of a picture for each frame
SURE = 0.99  # probability of a number from which nobody asks which digit is the doubtful one


class Reading:
    """What the network says of n lines.

    Attributes:
        frames: Probabilities by frame, (n, frames, 12).
        masses: Probabilities of all numbers of each length, (n, 13).
        any_length: Probabilities of all numbers of any length, also of more digits, (n,).

    Args:
        logits: Logits by frame, float32 (n, frames, 12).
        most: The most digits that a number may have.
        left: Column of the strip at the left rim of the picture that the network saw.
        columns: Columns of the strip for one column of the picture.
    """

    def __init__(self, logits: npt.NDArray[np.float32], most: int, left: float, columns: float) -> None:
        self.frames = _softmax(logits)
        self.masses = ctc.length_masses(self.frames, DIGITS, MAX_DIGITS)
        self.any_length = (1 - self.frames[:, :, SIGN]).prod(axis=1)
        self._best = ctc.BestNumbers(self.frames, DIGITS, most)
        self._left, self._columns = left, columns

    def path(self, line: int, length: int) -> ctc.Path | None:
        """Return the best number of a length, its middles in columns of the strip; None if there is none."""
        path = self._best.path(line, length)
        if path is None:
            return None
        step = self._columns * FRAME_PX
        return path._replace(middles=tuple(self._left + step * (middle + 0.5) for middle in path.middles))


def spell(readings: Sequence[Reading], lengths: Lengths, other_length: float) -> list[Spelled]:
    """Find the number in each of n lines.

    Args:
        readings: The readings of the lines, one or more.
        lengths: The numbers of digits that the user allows.
        other_length: See `NumberThresholds`.
    """
    masses = np.mean([reading.masses for reading in readings], axis=0)
    best = [ctc.Path((), ())] * len(masses)
    shares = np.zeros(len(masses))
    for order in (-masses[:, lengths.least : lengths.most + 1]).argsort(axis=1, kind="stable").T:
        # A number is at most as likely as all numbers of its length, and the likeliest lengths come first.
        found = [
            (line, path)
            for line, length in enumerate((lengths.least + order).tolist())
            if masses[line, length] > shares[line]
            for path in _paths(readings, line, length)
        ]
        likely = _probability(readings, [(line, path.number) for line, path in found])
        for (line, path), share in zip(found, likely.tolist(), strict=True):
            if share > shares[line]:
                shares[line], best[line] = share, path
    numbers = [path.number for path in best]
    places = _places(readings, numbers, shares.tolist())
    within = masses[:, lengths.least : lengths.most + 1].sum(axis=1)
    others = masses[:, 1:].sum(axis=1) - within
    empties = masses[:, 0]
    signs = np.maximum(1 - masses.sum(axis=1), 0)
    any_length = np.mean([reading.any_length for reading in readings], axis=0)
    longer = np.clip(any_length - masses.sum(axis=1), 0, signs)
    totals = np.maximum(within + other_length * others + empties + signs, MIN_SHARE)
    sums = np.stack([shares / totals, within, others, empties, signs, longer], axis=1)
    return [
        Spelled("".join(map(str, path.number)), share, of_places, path.middles, *rest)
        for path, of_places, (share, *rest) in zip(best, places, sums.tolist(), strict=True)
    ]


def _paths(readings: Sequence[Reading], line: int, length: int) -> list[ctc.Path]:
    """Return the best number of a length by each reading, each number once."""
    paths = (reading.path(line, length) for reading in reversed(readings))
    return [*{path.number: path for path in paths if path is not None}.values()]


def _probability(
    readings: Sequence[Reading], numbers: Sequence[tuple[int, tuple[int, ...]]]
) -> npt.NDArray[np.float64]:
    """Return the probability of each number in its line."""
    if not numbers:
        return np.zeros(0)
    lines, words = [line for line, _ in numbers], [word for _, word in numbers]
    return np.mean([ctc.probability(reading.frames[lines], words) for reading in readings], axis=0)


def _places(
    readings: Sequence[Reading], numbers: Sequence[tuple[int, ...]], shares: Sequence[float]
) -> list[ctc.Floats]:
    """Return the probabilities of all characters in each place of each number, the other places staying."""
    places = []
    for number, share in zip(numbers, shares, strict=True):
        # The digits of a sure number share the little doubt there is; the others are worth the time.
        mine = share ** (1 / max(1, len(number)))
        even = np.full((len(number), SIGN + 1), (1 - mine) / SIGN)
        even[range(len(number)), list(number)] = mine
        places.append(even)
    unsure = [
        (line, place)
        for line, share in enumerate(shares)
        if share < SURE
        for place in range(len(numbers[line]))
    ]
    spelled = [
        (line, (*numbers[line][:place], character, *numbers[line][place + 1 :]))
        for line, place in unsure
        for character in range(SIGN + 1)
    ]
    likely = _probability(readings, spelled).reshape(-1, SIGN + 1)
    likely /= np.maximum(likely.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    for (line, place), of_place in zip(unsure, likely, strict=True):
        places[line][place] = of_place
    return places


def _softmax(logits: npt.NDArray[np.float32]) -> ctc.Frames:
    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=2, keepdims=True))
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))
