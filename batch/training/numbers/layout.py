"""The characters of a field in a row, each with its place."""

from __future__ import annotations

import math

from batch.training.look.hands import Glyph, Placed
from batch.training.look.studio import Studio
from batch.training.numbers.mixture import GAP_RANGES


class Piece(Placed):
    """A character of a field with its label; it stands on the line if `y` is NaN."""

    __slots__ = ("label",)

    def __init__(self, glyph: Glyph, size: float, label: int, y: float = math.nan):
        super().__init__(glyph, size, y=y)
        self.label = label


def lay_out(studio: Studio, pieces: list[Piece], kind: str) -> list[float] | None:
    """Give each piece its place in a row; return the edges of the cells if there are any."""
    random = studio.random
    u = random.uniform
    slope, drift = random.gauss(0, 0.04), random.gauss(0, 0.03)
    jitter = random.choice((0.02, 0.05, 0.05, 0.1))
    for index, piece in enumerate(pieces):
        piece.size *= max(0.6, 1 + drift * (index - len(pieces) / 2))
    cells: list[float] | None = None
    if kind == "cells":
        widest = max(piece.wide for piece in pieces)
        pitch = max(widest * u(0.9, 1.1), u(0.75, 1.7))
        before = random.randint(1, 3) if random.random() < 0.12 else 0
        after = random.randint(1, 3) if random.random() < 0.06 else 0
        cells = [pitch * index for index in range(-before, len(pieces) + after + 1)]
        for index, piece in enumerate(pieces):
            piece.x = pitch * (index + 0.5) - piece.wide / 2 + random.gauss(0, 0.06) * pitch
    else:
        low, high = GAP_RANGES[kind]
        middle, x = u(low, high), 0.0
        for piece in pieces:
            piece.x = x
            x += piece.wide + min(max(middle + random.gauss(0, 0.07), -0.18), high + 0.1)
    for piece in pieces:
        base = 1 + slope * piece.x + random.gauss(0, jitter)
        piece.y = base - piece.tall if math.isnan(piece.y) else piece.y + slope * piece.x
    return cells
