"""How many scans of a run may fail."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

_COUNT = re.compile(r"\d{1,12}", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)%", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The number of scans that may fail, or their share of all scans that were read.

    Attributes:
        limit: The number of scans, or the exact fraction of all scans.
    """

    limit: int | Fraction = 0

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read how many scans may fail, such as `10` or `2.5%`.

        Raises:
            ValueError: It is neither a number of scans nor a share of them.
        """
        if _COUNT.fullmatch(text):
            return cls(int(text))
        if (share := _SHARE.fullmatch(text)) and (limit := Fraction(share[1]) / 100) <= 1:
            return cls(limit)
        raise ValueError(f"{text!r} is neither a number of scans, as 10, nor a share of them, as 2.5%")

    def bears(self, failed: int, rows: int) -> bool:
        """Return whether at most as many scans failed as may fail."""
        return failed <= (self.limit * rows if isinstance(self.limit, Fraction) else self.limit)
