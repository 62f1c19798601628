"""Digits and letters in the fonts given, as an archive for `digitbox train --data`.

Run it as `python -m batch.training.data.fonts FONTS.npz FONT...`, with font files of handwriting.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from batch.records import Grey
from batch.training.data.datasets import DIGIT_PX
from batch.training.rendering.non_digits import CHARACTERS

FONT_PX = 96
BOX_PX = 20  # as MNIST's digits
DIGITS = "0123456789"
IN_NO_FONT = "\uffff"


def draw(fonts: Sequence[Path]) -> tuple[Grey, npt.NDArray[np.int8]]:
    """Draws the digits, and letters that no one takes for digits, in every font.

    Returns:
        uint8 (n, 28, 28), white on black, in MNIST's box; their labels (n,), 0 to 9, and -1 for letters.
    """
    drawn = [character for font in fonts for character in _of(font)]
    return np.stack([image for image, _ in drawn]), np.array([label for _, label in drawn], np.int8)


def _of(path: Path) -> Iterator[tuple[Grey, int]]:
    font = ImageFont.truetype(str(path), FONT_PX)
    missing = _inked(font, IN_NO_FONT)
    for character in DIGITS + CHARACTERS:
        ink = _inked(font, character)
        if ink.size == 0 or np.array_equal(ink, missing):
            continue
        scale = BOX_PX / max(ink.shape)
        size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
        small = np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.uint8)
        letter = np.zeros((DIGIT_PX, DIGIT_PX), np.uint8)
        top, left = (DIGIT_PX - small.shape[0]) // 2, (DIGIT_PX - small.shape[1]) // 2
        letter[top : top + small.shape[0], left : left + small.shape[1]] = small
        yield letter, DIGITS.find(character)


def _inked(font: ImageFont.FreeTypeFont, character: str) -> Grey:
    """The character alone, uint8 (height, width); of size 0 where it leaves no ink."""
    picture = Image.new("L", (4 * FONT_PX, 4 * FONT_PX))
    ImageDraw.Draw(picture).text((2 * FONT_PX, 2 * FONT_PX), character, 255, font, anchor="mm")
    return np.asarray(picture.crop(picture.getbbox() or (0, 0, 0, 0)), np.uint8)


def main(arguments: Sequence[str]) -> None:
    """Writes the archive: images x, and labels y."""
    if len(arguments) < 2:
        raise SystemExit("usage: python -m batch.training.data.fonts FONTS.npz FONT...")
    images, labels = draw([Path(font) for font in arguments[1:]])
    np.savez_compressed(arguments[0], x=images, y=labels)
    digits = int((labels >= 0).sum())
    print(f"{digits} digits and {len(labels) - digits} letters of {len(arguments) - 1} fonts: {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
