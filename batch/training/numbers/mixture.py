"""The mixture of the fields: how often each length, distance, layout and thing beside a number occurs.

An engineer set the shares by hand, from what forms, cheques and meters hold, before any training.
"""

from __future__ import annotations

from typing import NamedTuple

from batch.inference import numbers, spelling
from batch.records import Grey
from batch.training.look.mixture import NO_DIGIT_LETTERS, Shares

SIGN = spelling.SIGN  # the class of everything written that is no digit
UNREAD = -1  # of what is written, but is no part of the label
MAX_LENGTH = 12  # characters of a label
FRAMES = numbers.COLUMN_FRAMES  # of a column of the network: a thin 1 beside another needs its own
FRAME_PX = spelling.FRAME_PX

FIELDS: Shares = {
    "number": 0.66, "signed": 0.14, "struck": 0.015, "word": 0.03, "fraction": 0.02, "lines": 0.01,
    "single": 0.04, "none": 0.06, "empty": 0.025,
}  # fmt: skip
LENGTHS: Shares = {"1": 0.11, "2": 0.20, "3": 0.21, "4": 0.20, "5": 0.12, "6": 0.09, "7": 0.07}
HANDS: Shares = {"unipen": 0.50, "mnist": 0.28, "usps": 0.05, "swiss": 0.07, "drawn": 0.10}
# Lowest and highest gap between two digits, in heights of a digit.
GAPS: Shares = {"over": 0.16, "close": 0.36, "apart": 0.22, "far": 0.08, "cells": 0.18}
GAP_RANGES = {"over": (-0.16, 0.05), "close": (0.03, 0.25), "apart": (0.2, 0.6), "far": (0.6, 1.4)}
SIGNS_DRAWN: Shares = {
    "dot": 0.22, "comma": 0.12, "minus": 0.13, "equals": 0.03, "colon": 0.05, "apostrophe": 0.05,
    "degree": 0.04, "bracket": 0.07, "slash": 0.07, "currency": 0.06, "lookalike": 0.06, "character": 0.10,
}  # fmt: skip
LOOKALIKES = "ACLPUufhGJTyd<>{}\\"  # beside digits, a person tells most of them from digits
CHARACTERS = "+%$*&" + NO_DIGIT_LETTERS  # beside digits; letters like digits make digits doubtful
STOPS = ("dot", "comma")  # after the last digit, they change nothing of a number
STOP_FRACTION = 0.06  # of the numbers that are not in cells; many people end a number with one
CELLS: Shares = {"boxes": 0.40, "comb": 0.22, "apart": 0.26, "none": 0.12}
# Of the look's extras that make digits as small as in a number unreadable, so many stay.
MILDER: Shares = {"low-resolution": 0.35, "slip": 0.25, "tile": 0.5, "shadow": 0.5, "fax": 0.5}
# More patterns than under single digits: cheques have them.
PAPERS: Shares = {
    "clean": 0.22, "plain": 0.34, "pattern": 0.23, "ruled": 0.09, "squared": 0.06, "newsprint": 0.06,
}  # fmt: skip
MARKS: Shares = {
    "neighbour": 0.05,
    "line-above": 0.07,
    "line-below": 0.07,
    "underline": 0.07,
    "sheared": 0.45,
}


class Field(NamedTuple):
    """A rendered field.

    Attributes:
        grey: The scan, uint8 (height, width).
        label: Its characters from left to right: digits, and SIGN for what is none.
        places: The middle of each character, in columns of the scan; empty if they are not known.
        kind: Word for what was rendered, for figures by kind.
    """

    grey: Grey
    label: tuple[int, ...]
    places: tuple[float, ...]
    kind: str
