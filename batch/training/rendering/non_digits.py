"""Drawings that are not one digit, which the reader should refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import cv2
import numpy as np

from batch.records import Grey
from batch.training.rendering import strokes

SIZE_PX = strokes.SIZE_PX
# People may take O, I, l, S, Z, B, b, g, q and D for digits, so these are left out.
# So are i, j, o, s, v and z.
CHARACTERS = "AEFHKMNPRUVWXadefhkmnprtuwxyGJLTYQCc?&#@*+=%$<>"
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_COMPLEX,
)
INK_LEVEL = 40  # brighter pixels of a training digit, 0 to 255, are ink


def picture(rng: np.random.Generator) -> Grey:
    """Draw shapes of all greys over each other, as in photos.

    Returns:
        A scan, uint8 (height, width). It has no ink.
    """
    height, width = (int(side) for side in rng.integers(28, 129, 2))
    canvas = np.full((height, width), rng.uniform(0, 255), np.float32)
    for _ in range(int(rng.integers(1, 14))):
        grey = float(rng.uniform(0, 255))
        if rng.random() < 0.5:
            corners = rng.uniform(-0.2, 1.2, (int(rng.integers(3, 8)), 2)) * (width, height)
            cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], grey, cv2.LINE_AA)
        else:
            middle = (rng.uniform(0, 1, 2) * (width, height)).astype(int).tolist()
            axes = (rng.uniform(0.03, 0.5, 2) * (width, height)).astype(int).tolist()
            cv2.ellipse(canvas, middle, axes, float(rng.uniform(0, 180)), 0, 360, grey, -1, cv2.LINE_AA)
    if rng.random() < 0.6:
        step = int(rng.integers(2, 9))
        coarse = rng.standard_normal((height // step + 2, width // step + 2), dtype=np.float32)
        texture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        canvas = canvas * (1 + float(rng.uniform(0.02, 0.4)) * texture)
    if rng.random() < 0.7:
        canvas = cv2.GaussianBlur(canvas, (0, 0), float(rng.uniform(0.4, 3)))
    canvas = canvas + rng.standard_normal(canvas.shape, dtype=np.float32) * float(rng.uniform(0, 6))
    return np.asarray(np.clip(canvas, 0, 255), np.uint8)


def _character(rng: np.random.Generator, _: Grey) -> Grey:
    picture = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    font, text = FONTS[int(rng.integers(len(FONTS)))], CHARACTERS[int(rng.integers(len(CHARACTERS)))]
    scale = 3.0 if font == cv2.FONT_HERSHEY_PLAIN else 1.5
    (width, height), _baseline = cv2.getTextSize(text, font, scale, 2)
    corner = (SIZE_PX - width) // 2, (SIZE_PX + height) // 2
    cv2.putText(picture, text, corner, font, scale, 255, int(rng.integers(1, 6)), cv2.LINE_AA)
    return picture


def _scribble(rng: np.random.Generator, _: Grey) -> Grey:
    return strokes.paint([rng.uniform(0, 1, (int(rng.integers(5, 16)), 2))], rng)


def _loose_strokes(rng: np.random.Generator, _: Grey) -> Grey:
    count = int(rng.integers(2, 7))
    return strokes.paint([rng.uniform(0, 1, (int(rng.integers(2, 4)), 2)) for _ in range(count)], rng)


def _crossed_out(rng: np.random.Generator, digits: Grey) -> Grey:
    digit = digits[int(rng.integers(len(digits)))]
    picture = np.asarray(cv2.resize(digit, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_CUBIC), np.uint8)
    pen_px = int(rng.integers(2, 5))
    if rng.random() < 0.5:  # two or more strokes side by side, level or slanting
        count = int(rng.integers(2, 5))
        angle = rng.uniform(-20, 20) if rng.random() < 0.45 else rng.choice((-1, 1)) * rng.uniform(25, 75)
        along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
        across = np.array([-along[1], along[0]])
        for distance in (np.arange(count) - (count - 1) / 2) * rng.uniform(6, 14):
            middle = 32 + across * distance + rng.normal(0, 1.5, 2)
            half = along * rng.uniform(16, 30)
            start, end = (
                np.round(middle + sign * half + rng.normal(0, 1, 2)).astype(int).tolist() for sign in (-1, 1)
            )
            cv2.line(picture, start, end, 255, pen_px, cv2.LINE_AA)
        return picture
    for _ in range(int(rng.integers(2, 6))):
        start, end = rng.integers(4, 22, 2), rng.integers(42, 60, 2)
        direction = rng.random()
        if direction < 0.4:  # the other diagonal
            start[1], end[1] = end[1], start[1]
        elif direction < 0.7:  # level
            start[1] = rng.integers(15, 50)
            end[1] = start[1] + rng.integers(-9, 10)
        cv2.line(picture, start.tolist(), end.tolist(), 255, pen_px, cv2.LINE_AA)
    return picture


def _several(rng: np.random.Generator, digits: Grey) -> Grey:
    row: list[Grey] = []
    gap_px = int(rng.integers(0, 4))
    for _ in range(int(rng.choice([2, 2, 2, 3]))):
        digit = digits[int(rng.integers(len(digits)))]
        columns = np.flatnonzero(digit.max(axis=0) > INK_LEVEL)
        row.append(digit[:, columns[0] : columns[-1] + 1] if columns.size else digit)
        row.append(np.zeros((digit.shape[0], gap_px), np.uint8))
    number = np.hstack(row[:-1])
    margin_px = max(0, number.shape[1] - number.shape[0]) // 2  # makes it square
    return np.pad(number, ((margin_px + 4, margin_px + 4), (4, 4)))


def _blobs(rng: np.random.Generator, _: Grey) -> Grey:
    noise = rng.standard_normal((SIZE_PX, SIZE_PX), dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), rng.uniform(1, 5))
    level = (smooth - smooth.mean()) / smooth.std()
    return (np.clip(level * 2 - rng.uniform(-0.5, 1.5), 0, 1) * 255).astype(np.uint8)


def _filled_shape(rng: np.random.Generator, _: Grey) -> Grey:
    picture = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    corners = rng.integers(6, 58, (int(rng.integers(3, 8)), 2)).astype(np.int32)
    cv2.fillPoly(picture, [corners], 255, cv2.LINE_AA)
    return picture


def _sign(rng: np.random.Generator, _: Grey) -> Grey:
    if rng.random() < 0.5:  # a tick
        return strokes.paint([np.array([(0.0, 0.5), (0.3, 1.0)]), np.array([(0.3, 1.0), (1.0, 0.0)])], rng)
    ring = strokes.arc(0.5, 0.5, 0.3, 0.3, 0, 360)
    return strokes.paint([ring, np.array([(0.0, 0.5), (1.0, 0.5)])], rng)


_Kind = Callable[[np.random.Generator, Grey], Grey]
KINDS: Mapping[str, _Kind] = {
    "letters": _character,
    "scribbles": _scribble,
    "loose-strokes": _loose_strokes,
    "crossed-out": _crossed_out,
    "several-digits": _several,
    "blobs": _blobs,
    "filled-shapes": _filled_shape,
    "signs": _sign,
}
"""Functions that draw one of a kind, by name.

Args of each are the source of every choice and digits to cross out or to put side by side, uint8 (n, height,
width), white ink on black. Each returns a drawing, uint8 (height, width), white ink on black.
"""
