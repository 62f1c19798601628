"""What scenes are made from without a data set: digits drawn as strokes, and letters of OpenCV's fonts."""

from __future__ import annotations

from random import Random
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from batch.records import Grey
from batch.training.look.drawn_digits import draw_digit
from batch.training.look.mixture import LETTERS_BESIDE, LONE_SIGNS, NO_DIGIT_LETTERS, SIGNS, Field
from batch.training.look.sources import UNITS, Packed, Sources
from batch.training.rendering import strokes as other_strokes

HANDS = 60  # of each digit, as strokes; scenes vary each one further
PICTURES = 40  # of each digit, as a picture of each data set's kind
SIDES_PX = {"mnist": 28, "usps": 16, "swiss": 64}  # of these pictures
FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
    cv2.FONT_HERSHEY_SIMPLEX | cv2.FONT_ITALIC,
)
FONT_PX = 200  # side of the picture in which a letter is drawn


def drawn_sources(seed: int) -> Sources:
    """Draw digits, letters and signs, in the form of the packed data sets.

    Args:
        seed: Seed of all chance.
    """
    random, rng = Random(seed), np.random.default_rng(seed)  # noqa: S311 (no secret)
    digits = [(str(label), hand, draw_digit(label, random)) for hand in range(HANDS) for label in range(10)]
    characters = "".join(sorted({*NO_DIGIT_LETTERS, *SIGNS, *LONE_SIGNS, *LETTERS_BESIDE}))
    others = [
        (character, hand, _letter(character, font))
        for hand, font in enumerate(FONTS)
        for character in characters
    ]
    packed = _pack("digits", digits) | _pack("others", others)
    labels = np.repeat(np.arange(10, dtype=np.uint8), PICTURES)
    for name, side in SIDES_PX.items():
        pictures = np.stack([_shrink(other_strokes.draw(label, rng), side) for label in labels.tolist()])
        packed |= {name: 255 - pictures if name == "swiss" else pictures, f"{name}_labels": labels}
        packed[f"{name}_held"] = np.zeros(len(labels), bool)
    packed["swiss_shapes"] = np.full((len(labels), 2), SIDES_PX["swiss"], np.uint8)
    packed |= {"fashion": np.zeros((0, 28, 28), np.uint8), "fashion_held": np.zeros(0, bool)}
    return Sources(packed)


def _pack(name: str, characters: list[tuple[str, int, list[Field]]]) -> Packed:
    """Return the arrays of characters, each with its writer and strokes, see `sources.Strokes`."""
    points: list[npt.NDArray[Any]] = []
    strokes, starts = [0], [0]
    for _, _, drawn in characters:
        for stroke in drawn:
            points.append(np.round(stroke * UNITS).astype(np.int16))
            strokes.append(strokes[-1] + len(stroke))
        starts.append(len(strokes) - 1)
    return {
        f"{name}_points": np.concatenate(points),
        f"{name}_strokes": np.array(strokes, np.int32),
        f"{name}_starts": np.array(starts, np.int32),
        f"{name}_chars": np.array([character for character, _, _ in characters]),
        f"{name}_writers": np.array([writer for _, writer, _ in characters]),
        f"{name}_held": np.zeros(len(characters), bool),
    }


def _letter(character: str, font: int) -> list[Field]:
    """Return the strokes of a letter or sign: the outlines of the thin lines of a font."""
    picture = np.zeros((FONT_PX, FONT_PX), np.uint8)
    cv2.putText(picture, character, (FONT_PX // 4, FONT_PX * 3 // 4), font, 4.0, 255, 1)
    outlines, _ = cv2.findContours(picture, cv2.RETR_LIST, cv2.CHAIN_APPROX_TC89_L1)
    return [outline[:, 0].astype(np.float32) / FONT_PX for outline in outlines]


def _shrink(picture: Grey, side: int) -> Grey:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
