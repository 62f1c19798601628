"""The decoding of a line: from probabilities by frame to numbers and their probabilities (CTC).

Graves et al., "Connectionist temporal classification", 2006. A path names one class for each frame. Repeated
classes count once, and the blank, which is the last class, stands between characters. The probability of a
number is the sum over all paths that spell it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.float64]
"""Probabilities by frame, (n, frames, classes), the blank last; each frame sums to 1."""
Floats = npt.NDArray[np.float64]


class Path(NamedTuple):
    """A number on a path.

    Attributes:
        number: Its digits.
        middles: The middle of the frames in which the path names each of them.
    """

    number: tuple[int, ...]
    middles: tuple[float, ...]


def length_masses(frames: Frames, digits: int, most: int) -> Floats:
    """Sum the probabilities of all numbers of each length, exactly.

    Args:
        frames: Probabilities by frame.
        digits: Number of classes that are digits; they come first.
        most: Highest length.

    Returns:
        Probabilities, (n, most + 1). What is missing to 1 holds another class, or more digits.
    """
    count = len(frames)
    blank = np.zeros((count, most + 1))
    digit = np.zeros((count, most + 1, digits))
    blank[:, 0] = 1.0
    for frame in frames.transpose(1, 0, 2):
        ends = digit.sum(axis=2)
        arriving = (blank + ends)[:, :-1, None] - digit[:, :-1]  # a digit after itself needs a blank
        digit[:, 1:] += np.maximum(arriving, 0)
        digit *= frame[:, None, :digits]
        blank = (blank + ends) * frame[:, None, -1]
    return np.asarray(blank + digit.sum(axis=2))


class BestNumbers:
    """The number of each length on the most likely path of each line, exactly (Viterbi 1967).

    Args:
        frames: Probabilities by frame.
        digits: Number of classes that are digits; they come first.
        most: Highest length.
    """

    def __init__(self, frames: Frames, digits: int, most: int) -> None:
        self._digits = digits
        count, steps, _ = frames.shape
        with np.errstate(divide="ignore"):
            logs = np.log(frames)
        states = digits + 1  # a digit that goes on, or the blank after it
        best = np.full((count, most + 1, states), -np.inf)
        best[:, 0, digits] = 0.0
        self._came: list[npt.NDArray[np.int8]] = []
        for step in range(steps):
            frame = logs[:, step]
            # Into a digit from the number that is one shorter: from its best state, or from its second best
            # for the digit that is the best, since a digit after itself needs a blank.
            last = best.argmax(axis=2)
            ahead = best.max(axis=2)
            others = best.copy()
            np.put_along_axis(others, last[:, :, None], -np.inf, axis=2)
            second = others.argmax(axis=2)
            is_same = last[:, :-1, None] == np.arange(digits)
            source = np.where(is_same, second[:, :-1, None], last[:, :-1, None])
            entering = np.where(is_same, others.max(axis=2)[:, :-1, None], ahead[:, :-1, None])
            stays = best[:, 1:, :digits]
            enters = entering > stays
            onward = best.copy()
            onward[:, 1:, :digits] = np.where(enters, entering, stays) + frame[:, None, :digits]
            onward[:, 0, :digits] = -np.inf
            onward[:, :, digits] = ahead + frame[:, None, -1]
            origin = np.empty((count, most + 1, states), np.int8)
            # A negative origin: the state goes on. Another one: the state before, of a number one shorter.
            origin[:, 1:, :digits] = np.where(enters, source, -1)
            origin[:, 0, :digits] = -1
            origin[:, :, digits] = last
            self._came.append(origin)
            best = onward
        self._ends, self._scores = best.argmax(axis=2), best.max(axis=2)

    def path(self, line: int, length: int) -> Path | None:
        """Return the most likely path of a line with so many digits; None if it has none."""
        if not np.isfinite(self._scores[line, length]):
            return None
        number: list[int] = []
        middles: list[float] = []
        state = int(self._ends[line, length])
        last = len(self._came) - 1  # frame of the digit
        for frame in range(len(self._came) - 1, -1, -1):
            source = int(self._came[frame][line, length, state])
            if state == self._digits:
                state, last = source, frame - 1
            elif source >= 0:
                number.append(state)
                middles.append((frame + last) / 2)
                length -= 1
                state, last = source, frame - 1
        return Path(tuple(reversed(number)), tuple(reversed(middles)))


def greedy(frames: Frames) -> list[Path]:
    """Return what the most likely class of each frame spells; other classes than digits may be in it."""
    blank = frames.shape[2] - 1
    paths = []
    for classes in frames.argmax(axis=2).tolist():
        number: list[int] = []
        middles: list[float] = []
        last = -1
        for name, run in itertools.groupby(classes):
            first, last = last + 1, last + len(list(run))
            if name != blank:
                number.append(name)
                middles.append((first + last) / 2)
        paths.append(Path(tuple(number), tuple(middles)))
    return paths


def probability(frames: Frames, numbers: Sequence[tuple[int, ...]]) -> Floats:
    """Sum the probabilities of all paths that spell a number.

    Args:
        frames: Probabilities by frame, (n, frames, classes).
        numbers: A number for each line; their lengths may differ.

    Returns:
        Probabilities, (n,).
    """
    lengths = np.array([len(number) for number in numbers])
    for paths in _forward(frames, numbers):
        ends = paths
    rows = np.arange(len(frames))
    last_digit = ends[rows, np.maximum(2 * lengths - 1, 0)]
    return np.asarray(ends[rows, 2 * lengths] + np.where(lengths > 0, last_digit, 0))


def replaced(frames: Frames, numbers: Sequence[tuple[int, ...]], characters: int) -> Floats:
    """Sum the probabilities of all paths that spell a number with another character in one place.

    The paths up to the place and those after it are summed once (forward and backward, Graves et al. 2006).

    Args:
        frames: Probabilities by frame, (n, frames, classes).
        numbers: A number for each line; their lengths may differ.
        characters: Number of the classes to put in; they come first.

    Returns:
        Probabilities, (places of all numbers one after the other, characters).
    """
    at = [(line, place) for line, number in enumerate(numbers) for place in range(len(number))]
    lines, places = np.array(at, int).reshape(-1, 2).T
    rest = np.array([len(numbers[line]) - place - 1 for line, place in at], int)
    padded = [(-1, *number, -1) for number in numbers]
    before = np.array([padded[line][place] for line, place in at], int)
    after = np.array([padded[line][place + 2] for line, place in at], int)
    backward = [number[::-1] for number in numbers]
    arriving = _followed([*_forward(frames, numbers)][:-1], lines, places, before, characters)
    leaving = _followed([*_forward(frames[:, ::-1], backward)][-2::-1], lines, rest, after, characters)
    inside = total = np.zeros((len(lines), characters))
    for frame, enters, leaves in zip(frames.transpose(1, 0, 2), arriving, leaving, strict=True):
        inside = (inside + enters) * frame[lines, :characters]
        total = total + inside * leaves
    return total


def _followed(
    paths: Sequence[Floats],
    lines: npt.NDArray[np.int_],
    spelled: npt.NDArray[np.int_],
    last: npt.NDArray[np.int_],
    characters: int,
) -> Iterator[Floats]:
    """Yield the probabilities of all paths that each character may follow, by frame.

    A character follows a blank, or another character than itself.

    Args:
        paths: What `_forward` yields.
        lines: The line of each of k places.
        spelled: How many characters of its number the paths have spelled.
        last: The last one of these, or -1.
        characters: Number of characters.

    Yields:
        Probabilities, (k, characters).
    """
    is_other = (last[:, None] != np.arange(characters)) & (last >= 0)[:, None]
    for ends in paths:
        yield ends[lines, 2 * spelled, None] + is_other * ends[lines, 2 * spelled - 1, None]


def _forward(frames: Frames, numbers: Sequence[tuple[int, ...]]) -> Iterator[Floats]:
    """Yield the probabilities of all paths after no frame, one frame, and so on.

    Yields:
        Those that end in each symbol of each number, (n, symbols): a blank, the first digit, a blank, the
        second one, and so on. Before the first frame, a path stands at the first blank.
    """
    count, _, classes = frames.shape
    blank = classes - 1
    lengths = np.array([len(number) for number in numbers])
    most = int(lengths.max(initial=0))
    symbols = np.full((count, 2 * most + 1), blank)
    for line, number in enumerate(numbers):
        symbols[line, 1 : 2 * len(number) : 2] = number
    skips = np.zeros(symbols.shape, bool)
    skips[:, 2:] = (symbols[:, 2:] != blank) & (symbols[:, 2:] != symbols[:, :-2])
    steps = np.ascontiguousarray(frames.transpose(1, 0, 2))
    places = symbols + classes * np.arange(count)[:, None]  # of the symbols in a step's probabilities
    paths = np.zeros(symbols.shape)
    paths[:, 0] = 1.0  # before the first frame; it may then begin with the blank or the first digit
    yield paths
    for step in steps:
        onward = paths.copy()
        onward[:, 1:] += paths[:, :-1]
        onward[:, 2:] += skips[:, 2:] * paths[:, :-2]
        paths = onward * step.ravel()[places]
        yield paths
