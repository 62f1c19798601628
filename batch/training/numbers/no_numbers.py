"""Lines that are no number: fractions, two numbers one below the other, digits struck out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from batch.training.look.drawn_digits import line
from batch.training.look.hands import stroke_glyph
from batch.training.look.studio import Studio
from batch.training.numbers.layout import Piece, lay_out
from batch.training.numbers.mixture import SIGN, UNREAD

BLACKED_OUT_FRACTION = 0.35  # of the lines with digits struck out
MIN_TURNS = 3  # of the pen on a thin 1, which one stroke would not hide

Composition = tuple[list[Piece], tuple[int, ...]]
"""Pieces, each in its place, and the label of the line, see `mixture.Field`."""


def fraction(studio: Studio, whole: Sequence[Piece], digit: Callable[[int], Piece]) -> Composition:
    """Write a number with a fraction behind it.

    Args:
        studio: Gives the chances.
        whole: Digits of the number.
        digit: Writes a digit.
    """
    random = studio.random
    u = random.uniform
    pieces = list(whole) if random.random() < 0.8 else []
    x = 0.0
    for piece in pieces:
        piece.x, piece.y = x, 1 - piece.tall
        x += piece.wide + u(0.02, 0.3)
    x += u(0.0, 0.4)
    top, bottom = (
        digit(random.choice((1, 1, 3, random.randrange(10)))),
        digit(random.choice((2, 2, 4, random.randrange(10)))),
    )
    shrink = u(0.4, 0.8)
    top.size *= shrink
    bottom.size *= shrink
    if random.random() < 0.6:
        bar = max(top.wide, bottom.wide) * u(1.0, 1.6)
        middle = x + bar / 2
        across = Piece(stroke_glyph(studio, [line((0, u(-0.06, 0.06)), (bar, 0))], 0.0), 1, SIGN)
        across.size = bar / max(across.glyph.width, 0.1)
        y = u(0.3, 0.6)
        across.x, across.y = x, y
        top.x, top.y = middle - top.wide / 2, y - top.tall - u(0.03, 0.12)
        bottom.x, bottom.y = middle - bottom.wide / 2, y + u(0.05, 0.15)
        label = (*(piece.label for piece in pieces), SIGN)
        top.label = bottom.label = UNREAD
        pieces += [top, across, bottom]
    else:
        reach = u(0.7, 1.3)
        across = Piece(stroke_glyph(studio, [line((reach * u(0.4, 0.8), 0), (0, reach))], 0.0), 1, SIGN)
        across.size = reach / max(across.glyph.height, 0.1)
        top.x, top.y = x, u(-0.1, 0.15)
        across.x, across.y = x + top.wide + u(-0.12, 0.08), 0.5 - reach / 2 + u(-0.1, 0.1)
        bottom.x, bottom.y = across.x + across.wide + u(-0.15, 0.1), u(0.3, 0.7)
        pieces += [top, across, bottom]
        label = tuple(piece.label for piece in pieces)
    return pieces, label


def two_lines(studio: Studio, first: list[Piece], digit: Callable[[int], Piece]) -> Composition:
    """Write two numbers, one below the other.

    Args:
        studio: Gives the chances.
        first: Digits of the first number.
        digit: Writes a digit.
    """
    random = studio.random
    lay_out(studio, first, "close")
    second = [digit(random.randrange(10)) for _ in range(random.randint(1, 5))]
    lay_out(studio, second, "close")
    drop = max(p.y + p.tall for p in first) + random.uniform(0.1, 0.5) - min(p.y for p in second)
    shift = random.uniform(-0.5, 0.5)
    for piece in second:
        piece.y += drop
        piece.x += shift
    return first + second, (SIGN,)


def strike(studio: Studio, pieces: list[Piece]) -> Composition:
    """Write a number, and strike or black out some of its digits.

    Args:
        studio: Gives the chances.
        pieces: Digits of the number.
    """
    random = studio.random
    u = random.uniform
    lay_out(studio, pieces, "close")
    first = random.randrange(len(pieces))
    last = random.randrange(first, len(pieces))
    struck = pieces[first : last + 1]
    left, right = min(p.x for p in struck) - u(0, 0.25), max(p.x + p.wide for p in struck) + u(0, 0.25)
    # One line through one digit may be the bar of a 7 or the slash of a 0.
    if random.random() < BLACKED_OUT_FRACTION:
        turns = max(MIN_TURNS, round((right - left) / u(0.04, 0.12)))
        low, high = u(0.0, 0.2), u(0.8, 1.0)
        points = [(turn * (right - left) / turns, (low, high)[turn % 2]) for turn in range(turns + 1)]
        lines = [line(*((x, y + u(-0.1, 0.1)) for x, y in points))]
    else:
        count = 1 if len(struck) > 1 and random.random() < 0.7 else random.randint(2, 4)
        step, tilt = u(0.1, 0.25), random.gauss(0, 0.12)
        lines = [
            line((0, index * step + u(-0.1, 0.1)), (right - left, index * step + tilt))
            for index in range(count)
        ]
    across = Piece(stroke_glyph(studio, lines, 0.0), 1, SIGN)
    across.size = (right - left) / max(across.glyph.width, 0.1)
    middle = sum(p.y + p.tall / 2 for p in struck) / len(struck)
    across.x, across.y = left, middle - across.tall / 2 + u(-0.15, 0.15)
    label = (
        *(piece.label for piece in pieces[:first]),
        SIGN,
        *(piece.label for piece in pieces[last + 1 :]),
    )
    for piece in struck:
        piece.label = UNREAD
    return [*pieces[: last + 1], across, *pieces[last + 1 :]], label
