"""Scans that lie on their side, in every format that says so; pixels that are not square."""

import io
import struct
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
import tifffile
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.images import decode
from batch.images.orientation import aspect_of, make_square, turn_upright
from batch.records import Grey
from formats import png_chunk, two

Pixels = npt.NDArray[Any]
SHAPE = (48, 40)  # a multiple of no tile, so that padding would show


def pillow(kind: str, **options: Any) -> Callable[[Pixels, int], bytes]:
    def write(pixels: Pixels, orientation: int) -> bytes:
        exif = Pillow.Exif()
        exif[0x0112] = orientation
        content = io.BytesIO()
        Pillow.fromarray(pixels).save(content, kind, exif=exif.tobytes(), **options)
        return content.getvalue()

    return write


def tiff(**options: Any) -> Callable[[Pixels, int], bytes]:
    def write(pixels: Pixels, orientation: int) -> bytes:
        content = io.BytesIO()
        tag = [(274, "H", 1, orientation, True)]
        tifffile.imwrite(content, pixels, extratags=tag, **options)
        return content.getvalue()

    return write


def palette(pixels: Pixels, orientation: int) -> bytes:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    image = Pillow.fromarray(pixels).convert("L").quantize(8, dither=Pillow.Dither.NONE)
    image.save(content, "PNG", exif=exif, transparency=bytes([254] * 8))
    return content.getvalue()


def grey(pixels: Grey) -> Pixels:
    return pixels


def rgb(pixels: Grey) -> Pixels:
    return np.dstack([pixels] * 3)


def rgba(pixels: Grey) -> Pixels:
    return np.dstack([pixels] * 3 + [np.full_like(pixels, 254)])


pillow_heif.register_heif_opener()
WRITERS: dict[str, tuple[Callable[[Grey], Pixels], Callable[[Pixels, int], bytes]]] = {
    "jpeg grey": (grey, pillow("JPEG", quality=95)),
    "jpeg rgb": (rgb, pillow("JPEG", quality=95)),
    "png grey": (grey, pillow("PNG")),
    "png rgb": (rgb, pillow("PNG")),
    "png rgba": (rgba, pillow("PNG")),
    "png palette": (grey, palette),
    "webp rgb": (rgb, pillow("WEBP", lossless=True)),
    "webp rgba": (rgba, pillow("WEBP", lossless=True)),
    "heic rgb": (rgb, pillow("HEIF", quality=95)),
    "avif rgb": (rgb, pillow("AVIF", quality=95)),
    "avif rgba": (rgba, pillow("AVIF", quality=95)),
    "tiff strip": (grey, tiff(photometric="minisblack")),
    "tiff strips": (rgb, tiff(photometric="rgb", rowsperstrip=7)),
    "tiff tiles": (grey, tiff(photometric="minisblack", tile=(32, 32))),
    "tiff tiles rgb": (rgb, tiff(photometric="rgb", tile=(64, 16), compression="zlib")),
    "tiff rgba tiles": (rgba, tiff(photometric="rgb", tile=(32, 32), extrasamples=["unassalpha"])),
    "tiff small tiles": (grey, tiff(photometric="minisblack", tile=(16, 16))),
    "tiff big-endian": (grey, tiff(photometric="minisblack", byteorder=">", tile=(32, 32))),
    "bigtiff": (grey, tiff(photometric="minisblack", bigtiff=True, tile=(32, 32))),
}


def lay(upright: Grey, orientation: int) -> Grey:
    """Return the pixels as a file stores them that says how to turn them."""
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    return np.ascontiguousarray(stored)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_turned_upright(name: str, orientation: int) -> None:
    upright = two()[:, : SHAPE[1]]
    pixels, write = WRITERS[name]
    image = decode.decode(write(pixels(lay(upright, orientation)), orientation), MAX_PIXELS)
    assert image.shape == SHAPE
    assert np.mean((image > 127) == (upright > 127)) > 0.99


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_makes_no_sense_does_not_turn(orientation: int) -> None:
    upright = two()[:, : SHAPE[1]]
    assert turn_upright(upright, orientation) is upright


@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("tile", [None, (32, 32)])
@pytest.mark.parametrize("kind", "BbHhIiQq")
def test_the_orientation_of_a_tiff_may_be_any_integer(
    kind: str, tile: tuple[int, int] | None, bigtiff: bool
) -> None:
    upright, content = two()[:, : SHAPE[1]], io.BytesIO()
    tag = [(274, kind, 1, 3, True)]
    tifffile.imwrite(
        content, lay(upright, 3), photometric="minisblack", tile=tile, bigtiff=bigtiff, extratags=tag
    )
    assert np.array_equal(decode.decode(content.getvalue(), MAX_PIXELS), upright)


@pytest.mark.parametrize(
    "exif", [b"", b"II*\0", b"Exif\0\0MM\0*\0\0\0\x08\0\x09", b"junk" * 9, b"II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_does_not_turn(exif: bytes) -> None:
    content = io.BytesIO()
    Pillow.fromarray(two()).save(content, "JPEG", exif=exif)
    assert decode.decode(content.getvalue(), MAX_PIXELS).shape == (48, 48)


def dense(pixels: Grey, x: float, y: float, kind: str) -> bytes:
    """Write a file of a given number of pixels for each unit of length."""
    if kind == "png":
        return with_physical(png(pixels), round(x), round(y))
    if kind == "bmp":
        data = bytearray(cv2.imencode(".bmp", pixels)[1].tobytes())
        struct.pack_into("<ii", data, 38, round(x * 39), round(y * 39))
        return bytes(data)
    if kind == "tiff":
        return tiff(photometric="minisblack", resolution=(x, y))(pixels, 1)
    if kind == "tiff deflate":
        return tiff(
            photometric="minisblack", resolution=(x, y), resolutionunit="CENTIMETER", compression="zlib"
        )(pixels, 1)
    content = io.BytesIO()
    Pillow.fromarray(pixels).save(content, "JPEG", quality=95, dpi=(round(x), round(y)))
    return content.getvalue()


def png(pixels: Grey) -> bytes:
    return bytes(cv2.imencode(".png", pixels)[1])


def with_physical(data: bytes, x: int, y: int) -> bytes:
    return data[:33] + png_chunk(b"pHYs", struct.pack(">IIB", x, y, 0)) + data[33:]


@pytest.mark.parametrize("kind", ["png", "jpeg", "tiff", "tiff deflate", "bmp"])
@pytest.mark.parametrize(("x", "y"), [(204, 98), (204, 196), (100, 200), (200, 67), (300, 300)])
def test_pixels_that_are_not_square_are_stretched(kind: str, x: int, y: int) -> None:
    upright = two(side=120)
    densest = max(x, y)
    size = round(120 * x / densest), round(120 * y / densest)
    image = decode.decode(
        dense(cv2.resize(upright, size, interpolation=cv2.INTER_AREA), x, y, kind), MAX_PIXELS
    )
    assert max(abs(side - 120) for side in image.shape) <= 2
    same = cv2.resize(image, (120, 120)) > 127
    assert np.mean(same == (upright > 127)) > 0.97


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (0, 100),
        (100, 0),
        (1, 1000),
        (1000, 1),
        (-1, 5),
        (5, -1),
        (-1, -1),
        (float("nan"), 1),
        (1, float("nan")),
    ],
)
def test_densities_that_make_no_sense_are_square(x: float, y: float) -> None:
    assert aspect_of(x, y) == 1


def test_stretching_keeps_to_the_largest_size() -> None:
    pixels = np.zeros((100, 100), np.uint8)
    assert make_square(pixels, 2.0, 20_000).shape == (100, 200)
    assert make_square(pixels, 2.0, 19_999).shape == (50, 100)
    assert make_square(pixels, 0.5, 19_999).shape == (100, 50)
    assert make_square(pixels, 1.005, 20_000) is pixels


def test_a_fax_that_lies_is_stretched_before_it_is_turned() -> None:
    upright = two(side=120)
    stored = cv2.resize(lay(upright, 6), (120, 60), interpolation=cv2.INTER_AREA)
    data = tiff(photometric="minisblack", resolution=(200, 100))(stored, 6)
    image = decode.decode(data, MAX_PIXELS)
    assert image.shape == (120, 120)
    assert np.mean((image > 127) == (upright > 127)) > 0.97
