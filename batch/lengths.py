"""The numbers of digits that a scan may hold: `--digits N`, `N-M` or `any`."""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_DIGITS = 12  # of a number; a longer one does not fit the strip that the network sees

NUMBER = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}")
"""A number as text, with its leading zeros."""
_RANGE = re.compile(r"(\d{1,2})(?:-(\d{1,2}))?", re.ASCII)


class Lengths(NamedTuple):
    """The fewest and the most digits of a number, 1 to MAX_DIGITS."""

    least: int = 1
    most: int = 1

    def __str__(self) -> str:
        if self == ANY:
            return "any"
        return str(self.least) if self.least == self.most else f"{self.least}-{self.most}"

    def __contains__(self, count: object) -> bool:
        """Return whether a number may have so many digits."""
        return isinstance(count, int) and self.least <= count <= self.most


ONE = Lengths()
"""One digit a scan, the default."""
ANY = Lengths(1, MAX_DIGITS)


def parse_lengths(text: str) -> Lengths:
    """Read how many digits a scan holds.

    Args:
        text: `N`, `N-M` or `any`.

    Raises:
        ValueError: It is none of these, or out of range.
    """
    text = text.strip()
    if text.lower() == "any":
        return ANY
    if found := _RANGE.fullmatch(text):
        lengths = Lengths(int(found[1]), int(found[2] or found[1]))
        if 1 <= lengths.least <= lengths.most <= MAX_DIGITS:
            return lengths
    raise ValueError(
        f"{text!r} is no number of digits: give one as 5, a range as 2-6 (at most {MAX_DIGITS}), or any"
    )
