"""The packed data sets that scenes are made from, either the training part or the held-out part."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.look.mixture import Field

Packed = dict[str, npt.NDArray[Any]]  # the arrays that `packing.pack` makes

UNITS = 1000  # UNIPEN: the longer side of a character, in the units of its points
# A digit lower than this share of its longer side is a dash with a wrong label.
MIN_DIGIT_HEIGHT = 0.35
BITMAPS = ("mnist", "usps", "swiss")
# Digits in unipen_digits.npz that nobody can read as their label: a stroke of a 4 or a 0, two zeros, signs.
# An engineer found those of held-out writers on sheets of all 1,168, and had seen errors of the networks
# before, so the choice may flatter a little. Five of them look like another digit: the reader of numbers
# mistook them most often. Those to train on are from the 320 of which the looks were least sure, and from all
# digits 0, 4 and 8 of the writer who has most of them.
UNCLEAR = frozenset(
    {
        *(451, 590, 600, 610, 620, 627, 635, 639, 1454, 1468, 1503, 2326, 3899, 3901, 4591, 4597, 4819),
        *(587, 1313, 9484, 9495, 9587, 9723, 9820, 9901, 10407, 10466),  # these and those above are held out
        *(3121, 3456, 3684, 3761, 3762, 5767, 5768, 5796, 5800, 5801, 5802, 5804, 5806, 5807, 5809, 5862),
        *(5863, 5864, 5900, 5950, 5999, 6000, 6023, 6037, 6038, 6044, 6045, 6084, 6087, 6118, 6124, 6125),
        *(6178, 6179, 6186, 6250, 6280, 6282, 6367, 6372, 6377, 6519, 6581, 6588, 6628, 6632, 6633, 6671),
        *(6768, 6854, 6859, 6920, 6923, 6925, 6926, 6933, 6934, 7024, 7026, 7027, 7029, 11439, 11443),
        *(11448, 11452, 11459, 11460, 11748, 11887, 11888, 11985, 12053, 12169, 12799),
    }
)
# The same among the held-out pictures of data sets. An engineer chose them on sheets of the 53 that the
# networks mistook most often: they look like another digit, and one is a dash.
UNCLEAR_PICTURES = {
    "mnist": frozenset({54036, 54264, 54342, 54458, 56014, 56596, 57564, 58188, 58258, 59915}),
    "usps": frozenset({6760}),
    "swiss": frozenset[int](),
}


class Strokes:
    """The characters of one UNIPEN archive, as pen strokes with their writers.

    Args:
        packed: Arrays of the packed data sets.
        name: "digits" or "others".
        held_out: Take the held-out writers, not the others.
    """

    def __init__(self, packed: Packed, name: str, held_out: bool):
        self.points = np.asarray(packed[f"{name}_points"] / np.float32(UNITS), np.float32)
        self.strokes: list[int] = packed[f"{name}_strokes"].tolist()
        self.starts: list[int] = packed[f"{name}_starts"].tolist()
        self.chars, self.writers = packed[f"{name}_chars"], packed[f"{name}_writers"]
        chosen = np.flatnonzero(packed[f"{name}_held"] == held_out)
        if name == "digits":
            chosen = np.array([i for i in chosen.tolist() if self._is_clear(i)], np.int64)
        counts = dict(zip(*np.unique(self.writers[chosen], return_counts=True), strict=True))
        self.groups: dict[str, tuple[list[int], list[float]]] = {}
        for char in np.unique(self.chars[chosen]):
            of_char = chosen[self.chars[chosen] == char]
            weights = np.cumsum([counts[self.writers[index]] ** -0.5 for index in of_char])
            self.groups[str(char)] = of_char.tolist(), weights.tolist()
        self.by_writer: dict[int, list[int]] = {}
        for index in chosen.tolist():
            self.by_writer.setdefault(int(self.writers[index]), []).append(index)

    def _is_clear(self, index: int) -> bool:
        """Return whether a digit may be what its label says."""
        return index not in UNCLEAR and self._height(index) > MIN_DIGIT_HEIGHT

    def _height(self, index: int) -> float:
        """Return the height of a character as a share of its longer side."""
        first, last = self.strokes[self.starts[index]], self.strokes[self.starts[index + 1]]
        return float(np.ptp(self.points[first:last, 1]))

    def pick(self, char: str, random: Random) -> int:
        """Pick a character; a writer's weight is the root of how many characters they wrote."""
        indices, weights = self.groups[char]
        return random.choices(indices, cum_weights=weights)[0]

    def strokes_of(self, index: int) -> list[Field]:
        """Return the strokes of a character, each (points, 2) as x, y."""
        first, last = self.starts[index], self.starts[index + 1]
        return [self.points[self.strokes[i] : self.strokes[i + 1]] for i in range(first, last)]


class Sources:
    """What scenes are made from.

    Args:
        packed: Arrays of the packed data sets, see `packing.pack`.
        held_out: Take the held-out part, not the training part.

    Attributes:
        digits: Digits as strokes.
        others: Letters and signs as strokes.
        raw: Pictures by data set and label, light ink on dark; those of `swiss` are dark ink on light.
        fashion: Pictures of clothes, (n, 28, 28); there may be none.
    """

    def __init__(self, packed: Packed, held_out: bool = False):
        self.held_out = held_out
        self.digits = Strokes(packed, "digits", held_out)
        self.others = Strokes(packed, "others", held_out)
        self.raw: dict[str, list[list[Grey]]] = {}
        for name in BITMAPS:
            labels, images = packed[f"{name}_labels"], packed[name]
            by_label: list[list[Grey]] = [[] for _ in range(10)]
            for index in np.flatnonzero(packed[f"{name}_held"] == held_out).tolist():
                if index in UNCLEAR_PICTURES[name]:
                    continue
                image = images[index]
                if name == "swiss":
                    rows, columns = packed["swiss_shapes"][index]
                    image = image[:rows, :columns]
                by_label[int(labels[index])].append(image)
            self.raw[name] = by_label
        self.fashion: npt.NDArray[np.uint8] = packed["fashion"][packed["fashion_held"] == held_out]
