"""Writers of every format and flavour that digitbox reads, for the tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow

from batch.records import Grey


def _cv2(suffix: str, *parameters: int) -> Callable[[npt.NDArray[Any]], bytes]:
    def write(pixels: npt.NDArray[Any]) -> bytes:
        done, data = cv2.imencode(suffix, pixels, list(parameters))
        assert done
        return bytes(data)

    return write


def _pillow(kind: str, image: Pillow.Image, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def _one_bit(grey: Grey) -> Pillow.Image:
    return Pillow.fromarray(grey).point(lambda level: 255 if level > 127 else 0, "1")


def _colour(grey: Grey) -> Pillow.Image:
    return Pillow.fromarray(grey).convert("RGB")


def _palette(grey: Grey) -> Pillow.Image:
    return _colour(grey).quantize(16, dither=Pillow.Dither.NONE)


def _on_transparent(grey: Grey, mode: str) -> Pillow.Image:
    """The ink alone, on ground that is not there: ink is what differs from the corner."""
    ground = int(grey[0, 0])
    alpha = np.abs(grey.astype(int) - ground)
    alpha = (alpha * 255 // max(1, alpha.max())).astype(np.uint8)
    ink = np.full_like(grey, 0 if ground > 127 else 255)
    bands = [ink] * (len(mode) - 1)
    return Pillow.merge(mode, [*map(Pillow.fromarray, bands), Pillow.fromarray(alpha)])


def _transparent_palette(grey: Grey) -> Pillow.Image:
    """One-bit ink in a palette whose paper is transparent."""
    ground = int(grey[0, 0])
    ink = (np.abs(grey.astype(int) - ground) > 100).astype(np.uint8)
    image = Pillow.fromarray(ink).convert("P")
    level = 0 if ground > 127 else 255
    image.putpalette([128, 128, 128, level, level, level])
    image.info["transparency"] = 0
    return image


def _plain_pnm(kind: str, grey: Grey) -> bytes:
    height, width = grey.shape
    if kind == "P1":
        rows, head = [" ".join("01"[int(v < 128)] for v in row) for row in grey], "P1\n# one bit\n"
    elif kind == "P2":
        rows, head = [" ".join(map(str, row)) for row in grey.tolist()], "P2\n"
    else:
        rows, head = [" ".join(f"{v} {v} {v}" for v in row) for row in grey.tolist()], "P3\n"
    top = "" if kind == "P1" else "255\n"
    return (head + f"{width} {height}\n{top}" + "\n".join(rows) + "\n").encode()


def _raw_pnm(kind: str, grey: Grey) -> bytes:
    height, width = grey.shape
    if kind == "P4":
        return f"P4\n{width} {height}\n".encode() + np.packbits(grey < 128, axis=1).tobytes()
    if kind == "P6":
        return f"P6\n{width} {height}\n255\n".encode() + np.dstack([grey] * 3).tobytes()
    if kind == "P5-16":
        return (
            f"P5\n{width} {height}\n65535\n".encode() + (grey.astype(np.uint16) * 257).astype(">u2").tobytes()
        )
    return f"P5\n{width} {height}\n255\n".encode() + grey.tobytes()


def _sixteen(grey: Grey) -> npt.NDArray[np.uint16]:
    return grey.astype(np.uint16) * 257


FORMATS: dict[str, Callable[[Grey], bytes]] = {
    "png-1": lambda grey: _pillow("PNG", _one_bit(grey)),
    "png-8": _cv2(".png"),
    "png-16": lambda grey: _cv2(".png")(_sixteen(grey)),
    "png-rgb": lambda grey: _pillow("PNG", _colour(grey)),
    "png-rgb-16": lambda grey: _cv2(".png")(np.dstack([_sixteen(grey)] * 3)),
    "png-palette": lambda grey: _pillow("PNG", _palette(grey)),
    "png-palette-transparent": lambda grey: _pillow("PNG", _transparent_palette(grey)),
    "png-grey-alpha": lambda grey: _pillow("PNG", _on_transparent(grey, "LA")),
    "png-rgb-alpha": lambda grey: _pillow("PNG", _on_transparent(grey, "RGBA")),
    "png-opaque-alpha": lambda grey: _pillow("PNG", _colour(grey).convert("RGBA")),
    "jpeg-grey": _cv2(".jpg", cv2.IMWRITE_JPEG_QUALITY, 92),
    "jpeg-rgb": lambda grey: _pillow("JPEG", _colour(grey), quality=92),
    "jpeg-cmyk": lambda grey: _pillow("JPEG", _colour(grey).convert("CMYK"), quality=92),
    "jpeg-progressive": lambda grey: _pillow("JPEG", _colour(grey), quality=92, progressive=True),
    "jpeg-optimised": lambda grey: _pillow("JPEG", _colour(grey), quality=92, optimize=True),
    "tiff-g4": lambda grey: _pillow("TIFF", _one_bit(grey), compression="group4"),
    "tiff-g3": lambda grey: _pillow("TIFF", _one_bit(grey), compression="group3"),
    "tiff-lzw": lambda grey: _pillow("TIFF", Pillow.fromarray(grey), compression="tiff_lzw"),
    "tiff-deflate": lambda grey: _pillow("TIFF", _colour(grey), compression="tiff_adobe_deflate"),
    "tiff-8": lambda grey: _pillow("TIFF", Pillow.fromarray(grey)),
    "tiff-16": lambda grey: _cv2(".tiff")(_sixteen(grey)),
    "bmp-1": lambda grey: _pillow("BMP", _one_bit(grey)),
    "bmp-8": _cv2(".bmp"),
    "bmp-24": lambda grey: _pillow("BMP", _colour(grey)),
    "bmp-32": lambda grey: _pillow("BMP", _colour(grey).convert("RGBA")),
    "webp-lossy": lambda grey: _pillow("WEBP", _colour(grey), quality=90),
    "webp-lossless": lambda grey: _pillow("WEBP", _colour(grey), lossless=True),
    "webp-alpha": lambda grey: _pillow("WEBP", _on_transparent(grey, "RGBA"), lossless=True),
    "gif": lambda grey: _pillow("GIF", Pillow.fromarray(grey)),
    "gif-transparent": lambda grey: _pillow("GIF", _transparent_palette(grey), transparency=0),
    "pbm-plain": lambda grey: _plain_pnm("P1", grey),
    "pgm-plain": lambda grey: _plain_pnm("P2", grey),
    "ppm-plain": lambda grey: _plain_pnm("P3", grey),
    "pbm": lambda grey: _raw_pnm("P4", grey),
    "pgm": lambda grey: _raw_pnm("P5", grey),
    "pgm-16": lambda grey: _raw_pnm("P5-16", grey),
    "ppm": lambda grey: _raw_pnm("P6", grey),
}
"""By name: a writer that takes uint8 (height, width) with an even ground, and returns a file's content."""

SEVERAL_PAGES: dict[str, Callable[[Grey], bytes]] = {
    "tiff": lambda grey: _pillow(
        "TIFF", Pillow.fromarray(grey), save_all=True, append_images=[Pillow.fromarray(255 - grey)]
    ),
    "gif": lambda grey: _pillow(
        "GIF", Pillow.fromarray(grey), save_all=True, append_images=[Pillow.fromarray(255 - grey)]
    ),
    "webp": lambda grey: _pillow("WEBP", _colour(grey), save_all=True, append_images=[_colour(255 - grey)]),
    "png": lambda grey: _pillow("PNG", _colour(grey), save_all=True, append_images=[_colour(255 - grey)]),
    "pgm": lambda grey: 2 * _raw_pnm("P5", grey),
}
"""By name: a writer of two pages or frames."""


def two(paper: int = 235, ink: int = 25, side: int = 48) -> Grey:
    """A hand-drawn 2, uint8 (side, side), on even ground."""
    image = np.full((side, side), paper, np.uint8)
    points = np.array([[14, 15], [19, 9], [28, 9], [32, 16], [28, 24], [15, 37], [34, 37]]) * side // 48
    cv2.polylines(image, [points.astype(np.int32)], False, ink, max(1, side // 14), cv2.LINE_AA)
    return image
