"""From what the network says of lines to numbers and their probabilities.

A line that is not clear at once is read more than once, from pictures that differ a little. The probabilities
of the readings are averaged, so those of all numbers together still come to 1.
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
# Probability from which a line is read once. Of held-out fields, a second reading mended none of these.
CLEAR = 0.995


class Reading:
    """What the network says of n lines.

    Attributes:
        frames: Probabilities by frame, (n, frames, 12).
        masses: Probabilities of all numbers of each length, (n, 13).
        any_length: Probabilities of all numbers of any length, also of more digits, (n,).

    Args:
        frames: Probabilities by frame, (n, frames, 12).
        most: The most digits that a number may have.
        left: Column of the strip at the left rim of the picture that the network saw.
        columns: Columns of the strip for one column of the picture.
    """

    def __init__(self, frames: ctc.Frames, most: int, left: float, columns: float) -> None:
        self.frames = frames
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


def spell_clear(frames: ctc.Frames, lengths: Lengths) -> dict[int, Spelled]:
    """Find the numbers that are clear at once: the likeliest class of each frame spells them.

    Args:
        frames: Probabilities by frame of the strips as they are, (n, frames, 12).
        lengths: The numbers of digits that the user allows.

    Returns:
        What the network says of the lines that are clear, by their place among the n. All else that such a
        line may hold counts as a sign.
    """
    paths = {
        line: path
        for line, path in enumerate(ctc.greedy(frames))
        if lengths.least <= len(path.number) <= lengths.most and SIGN not in path.number
    }
    if not paths:
        return {}
    likely = ctc.probability(frames[[*paths]], [path.number for path in paths.values()])
    clear = {}
    for (line, path), share in zip(paths.items(), likely.tolist(), strict=True):
        if share >= CLEAR:
            middles = tuple(FRAME_PX * (middle + 0.5) for middle in path.middles)
            number, places = "".join(map(str, path.number)), _even_places(path.number, share)
            clear[line] = Spelled(number, share, places, middles, share, 0.0, 0.0, 1 - share)
    return clear


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
    # The digits of a sure number share the little doubt there is; the others are worth the time.
    places = [_even_places(number, share) for number, share in zip(numbers, shares, strict=True)]
    unsure = [line for line, share in enumerate(shares) if share < SURE and numbers[line]]
    if not unsure:
        return places
    words = [numbers[line] for line in unsure]
    likely = np.mean([ctc.replaced(reading.frames[unsure], words, SIGN + 1) for reading in readings], axis=0)
    likely /= np.maximum(likely.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    ends = np.cumsum([len(word) for word in words])[:-1]
    for line, of_line in zip(unsure, np.split(likely, ends), strict=True):
        places[line] = of_line
    return places


def _even_places(number: tuple[int, ...], share: float) -> ctc.Floats:
    """Return the probabilities of all characters in each place if the doubt about a number is even."""
    mine = share ** (1 / max(1, len(number)))
    even = np.full((len(number), SIGN + 1), (1 - mine) / SIGN)
    even[range(len(number)), list(number)] = mine
    return even


def frames_of(logits: npt.NDArray[np.float32]) -> ctc.Frames:
    """Turn logits by frame, (n, frames, 12), into probabilities."""
    wide = logits.astype(np.float64)
    weights = np.exp(wide - wide.max(axis=2, keepdims=True))
    return np.asarray(weights / weights.sum(axis=2, keepdims=True))
