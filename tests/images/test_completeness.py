"""Zeros at the end of a file: paper that somebody scanned, or a copy that was not finished."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode
from batch.images.completeness import BLOCK_BYTES
from batch.records import Grey, Reason
from formats import two


def raw(kind: str, levels: np.ndarray[Any, Any]) -> bytes:
    height, width = levels.shape[:2]
    if kind == "P4":
        levels = np.packbits(levels, axis=1)
    white = "" if kind == "P4" else "255\n"
    return f"{kind}\n{width} {height}\n{white}".encode() + levels.tobytes()


def pillow(kind: str, image: Pillow.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, kind)
    return content.getvalue()


def tiff(pixels: np.ndarray[Any, Any], **options: Any) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, pixels, **options)
    return content.getvalue()


def one_bit(dark: Grey) -> Pillow.Image:
    return Pillow.fromarray(np.where(dark > 127, 255, 0).astype(np.uint8)).convert("1")


# Writers of files in which zero is paper. Each takes dark ink on white paper.
ZERO_IS_PAPER: dict[str, Callable[[Grey], bytes]] = {
    "pbm": lambda grey: raw("P4", grey < 128),
    "pgm, light on dark": lambda grey: raw("P5", 255 - grey),
    "ppm, light on dark": lambda grey: raw("P6", np.dstack([255 - grey] * 3)),
    "bmp of 1 bit, light on dark": lambda grey: pillow("BMP", one_bit(255 - grey[::-1])),
    "bmp, light on dark": lambda grey: pillow("BMP", Pillow.fromarray(255 - grey[::-1])),
    "tiff, white is 0": lambda grey: tiff(255 - grey, photometric="miniswhite"),
    "tiff of 1 bit, white is 0": lambda grey: tiff(grey < 128, photometric="miniswhite"),
    "tiff, white is 0, strips": lambda grey: tiff(255 - grey, photometric="miniswhite", rowsperstrip=10),
    "tiff, light on dark": lambda grey: tiff(255 - grey, photometric="minisblack"),
    "tiff, light on dark, tiles": lambda grey: tiff(255 - grey, photometric="minisblack", tile=(64, 64)),
    "tiff of 16 bits, light on dark": lambda grey: tiff(
        (255 - grey).astype(np.uint16) * 257, photometric="minisblack"
    ),
}


@pytest.mark.parametrize("empty", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("side", [28, 64, 150, 400])
@pytest.mark.parametrize("name", ZERO_IS_PAPER)
def test_paper_below_the_digit_is_no_unfinished_copy(name: str, side: int, empty: float) -> None:
    digit = two(paper=255, ink=0, side=side)
    scan = np.full((round(side / (1 - empty)), side), 255, np.uint8)
    scan[:side] = digit
    image = decode.decode(ZERO_IS_PAPER[name](scan), MAX_PIXELS)
    dark = image if image[-1, -1] > 127 or "white is 0" in name or name == "pbm" else 255 - image
    flipped = dark[::-1] if name.startswith("bmp") else dark
    assert np.mean((flipped > 127) == (scan > 127)) > 0.99


@pytest.mark.parametrize("name", [name for name in ZERO_IS_PAPER if "tiles" not in name])
def test_a_copy_that_stopped_inside_the_digit_is_noticed(name: str) -> None:
    side = 600
    data = ZERO_IS_PAPER[name](two(paper=255, ink=0, side=side))
    block = len(data) // 2 // BLOCK_BYTES * BLOCK_BYTES
    with pytest.raises(ImageError) as caught:
        decode.decode(data[:block] + bytes(len(data) - block), MAX_PIXELS)
    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("side", ["width", "height"])
def test_a_bmp_without_pixels_is_too_small(side: str) -> None:
    data = bytearray(pillow("BMP", Pillow.fromarray(two())))
    position = 18 if side == "width" else 22
    data[position : position + 4] = bytes(4)
    with pytest.raises(ImageError) as caught:
        decode.decode(bytes(data), MAX_PIXELS)
    assert caught.value.reason in (Reason.TOO_SMALL, Reason.DAMAGED)


@pytest.mark.parametrize("size", [(100, 100), (70, 130), (65, 65)])
@pytest.mark.parametrize("tile", [(64, 64), (128, 128), (256, 256)])
@pytest.mark.parametrize("samples", [1, 3])
def test_padding_of_tiles_is_no_unfinished_copy(
    size: tuple[int, int], tile: tuple[int, int], samples: int
) -> None:
    scan = np.full(size, 235, np.uint8)
    scan[8:56, 8:56] = two()
    pixels, photometric = (scan, "minisblack") if samples == 1 else (np.dstack([scan] * 3), "rgb")
    image = decode.decode(tiff(pixels, photometric=photometric, tile=tile), MAX_PIXELS)
    assert np.mean((image > 127) == (scan > 127)) > 0.99
