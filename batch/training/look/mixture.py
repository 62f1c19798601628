"""The mixture of the scenes: how often each kind of scan, hand, pen, paper and mark occurs.

An engineer set the shares by hand, from what people's folders hold. He judged them on sheets of scenes and
on held-out writers. The mixture decides what the network knows.
"""

from __future__ import annotations

import math
from random import Random
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from batch.inference import look
from batch.records import Grey

Field = npt.NDArray[np.float32]  # levels of a scan that is not yet rounded, or points (n, 2) as x, y
Box = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the scan
Shares = dict[str, float]

SEVERAL, NONE = look.SEVERAL, look.NONE

SCENES: Shares = {"digit": 0.62, "several": 0.20, "none": 0.18}
# 1, 4, 7 and 9 vary most from hand to hand.
DIGIT_LABELS = (1.0, 1.25, 1.0, 1.0, 1.05, 1.0, 1.0, 1.1, 1.0, 1.1)
DIGIT_SCENES: Shares = {"composed": 0.745, "raw-mnist": 0.125, "raw-usps": 0.04, "raw-swiss": 0.09}
HANDS: Shares = {"unipen": 0.60, "mnist": 0.18, "swiss": 0.08, "usps": 0.04, "drawn": 0.10}
SEVERAL_HANDS: Shares = {"unipen": 0.52, "mnist": 0.27, "swiss": 0.07, "usps": 0.04, "drawn": 0.10}
PLACES: Shares = {"cell": 0.68, "small": 0.19, "tight": 0.13}
SEVERAL_SCENES: Shares = {"digits": 0.76, "letter": 0.08, "sign": 0.11, "fraction": 0.05}
SEVERAL_COUNTS: Shares = {"2": 0.52, "3": 0.22, "4": 0.12, "5": 0.08, "6": 0.06}
SEVERAL_LAYOUTS: Shares = {"row": 0.68, "column": 0.13, "diagonal": 0.08, "scattered": 0.11}
NONE_SCENES: Shares = {
    "letter": 0.10, "letters": 0.07, "sign": 0.10, "scribble": 0.15, "crossed-out": 0.12, "blank": 0.13,
    "frame": 0.09, "boxes": 0.05, "texture": 0.06, "fashion": 0.04, "shapes": 0.05, "fragment": 0.04,
}  # fmt: skip
PENS: Shares = {
    "pen": 0.36, "ballpoint": 0.24, "pencil": 0.24, "marker": 0.10, "sprayed": 0.03, "chalk": 0.03,
}  # fmt: skip
PAPERS: Shares = {
    "clean": 0.24, "plain": 0.40, "pattern": 0.14, "ruled": 0.10, "squared": 0.07, "newsprint": 0.05,
}  # fmt: skip
FRAMES: Shares = {
    "pieces": 0.26, "box": 0.17, "grid": 0.11, "dark": 0.08, "comb": 0.06, "dotted": 0.04, "double": 0.05,
    "rounded": 0.18, "oval": 0.05,
}  # fmt: skip
HELD_OUT_FRAMES: Shares = {"corners": 0.3}  # frames that only held-out scenes have, beside the others
# Each of these is in a scene or not, whatever the others are.
EXTRAS: Shares = {
    "frame": 0.30, "underline": 0.045, "ring": 0.04, "tick": 0.012, "neighbour": 0.09, "print": 0.04,
    "bleed": 0.05, "specks": 0.06, "slip": 0.035, "tile": 0.02, "light": 0.34, "shadow": 0.07, "blur": 0.40,
    "low-resolution": 0.13, "jpeg": 0.16, "stretched": 0.10, "fax": 0.04,
}  # fmt: skip
RAW_EXTRAS: Shares = {"tile": 0.08, "slip": 0.03, "jpeg": 0.04, "specks": 0.02, "stretched": 0.04}

NO_DIGIT_LETTERS = "RNXxmKMwEHkFe#@"  # letters that nobody takes for a digit
SIGNS = "/\\-+=%$#*<>()&?!@~^"  # signs beside a digit
# Signs alone, and the i. Drawn large, each of ' , > - ^ looks like a 1 or a 7, so they are not among them.
LONE_SIGNS = "+=%$#*&?@~<.:!;[]i"
LETTERS_BESIDE = "abcdefghkmnprtuvwxyzABCDEFGHKLMNPRTUVWXY"


class Scene(NamedTuple):
    """A rendered scan.

    Attributes:
        grey: The scan, uint8 (height, width).
        label: 0 to 9, SEVERAL or NONE.
        box: Box of the one digit in pixels of the scan; None if there is not one digit.
        kind: Word for what was rendered, for figures by kind.
    """

    grey: Grey
    label: int
    box: Box | None
    kind: str


def pick(shares: Shares, random: Random) -> str:
    """Pick a word by its share."""
    return random.choices(tuple(shares), tuple(shares.values()))[0]


def pick_label(random: Random) -> int:
    """Pick a digit, 0 to 9."""
    return random.choices(range(10), DIGIT_LABELS)[0]


def pick_extras(random: Random, leave_out: tuple[str, ...] = ()) -> set[str]:
    """Pick the extras of a scene, without those to leave out."""
    return {name for name, share in EXTRAS.items() if random.random() < share and name not in leave_out}


def pick_size(random: Random) -> tuple[int, int]:
    """Pick height and width of a scan in pixels; the longer side is 28 to 250."""
    u, choice = random.uniform, random.random()
    if choice < 0.14:
        height = u(28, 48)
    elif choice < 0.60:
        height = u(48, 100)
    elif choice < 0.93:
        height = u(100, 150)
    else:
        height = u(150, 250)
    shape = math.exp(random.gauss(0, 0.3))
    return round(height / max(1, shape)), round(height * min(1, shape))


def pick_pen(random: Random) -> tuple[str, float]:
    """Pick a pen, and its width as a share of a digit's height."""
    pen = pick(PENS, random)
    if pen == "marker":
        return pen, random.uniform(0.09, 0.19)
    return pen, math.exp(random.uniform(math.log(0.025), math.log(0.125)))
