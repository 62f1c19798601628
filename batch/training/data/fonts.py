"""Digits and letters of fonts, as an archive for `digitbox train --data`.

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

FONT_PX = 96  # large enough to scale down to 20 pixels
BOX_PX = 20  # the box of MNIST's digits
DIGITS = "0123456789"
UNDEFINED_CHARACTER = "\uffff"  # a font draws its sign for missing characters


def draw(fonts: Sequence[Path]) -> tuple[Grey, npt.NDArray[np.int8]]:
    """Draw the digits of every font, and letters that nobody takes for digits.

    Args:
        fonts: Font files.

    Returns:
        Images, uint8 (n, 28, 28), white on black, in MNIST's box; and labels, (n,), 0 to 9, -1 for letters.
    """
    characters = [character for font in fonts for character in _characters(font)]
    return np.stack([image for image, _ in characters]), np.array([label for _, label in characters], np.int8)


def _characters(path: Path) -> Iterator[tuple[Grey, int]]:
    """Yield the characters that a font has, with their labels."""
    font = ImageFont.truetype(str(path), FONT_PX)
    missing = _ink(font, UNDEFINED_CHARACTER)
    for character in DIGITS + CHARACTERS:
        ink = _ink(font, character)
        if ink.size == 0 or np.array_equal(ink, missing):
            continue
        scale = BOX_PX / max(ink.shape)
        size = max(1, round(ink.shape[1] * scale)), max(1, round(ink.shape[0] * scale))
        small = np.asarray(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), np.uint8)
        image = np.zeros((DIGIT_PX, DIGIT_PX), np.uint8)
        top, left = (DIGIT_PX - small.shape[0]) // 2, (DIGIT_PX - small.shape[1]) // 2
        image[top : top + small.shape[0], left : left + small.shape[1]] = small
        yield image, DIGITS.find(character)


def _ink(font: ImageFont.FreeTypeFont, character: str) -> Grey:
    """Draw a character without a margin, uint8 (height, width), of size 0 if it has no ink."""
    picture = Image.new("L", (4 * FONT_PX, 4 * FONT_PX))
    ImageDraw.Draw(picture).text((2 * FONT_PX, 2 * FONT_PX), character, 255, font, anchor="mm")
    return np.asarray(picture.crop(picture.getbbox() or (0, 0, 0, 0)), np.uint8)


def main(arguments: Sequence[str]) -> None:
    """Write the archive with images x and labels y."""
    if len(arguments) < 2:
        raise SystemExit("usage: python -m batch.training.data.fonts FONTS.npz FONT...")
    images, labels = draw([Path(font) for font in arguments[1:]])
    np.savez_compressed(arguments[0], x=images, y=labels)
    digits = int((labels >= 0).sum())
    print(f"{digits} digits and {len(labels) - digits} letters of {len(arguments) - 1} fonts: {arguments[0]}")


if __name__ == "__main__":
    main(sys.argv[1:])
