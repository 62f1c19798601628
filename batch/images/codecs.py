"""HEIC, AVIF, JPEG 2000 and JPEG XL: decoded by `pi_heif` and `imagecodecs`, of the extra `formats`.

`pi_heif` has the decoder alone. `pillow-heif` has an encoder as well, which would put its wheels under the
GPL. No wheel of `imagecodecs` has HEIC.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import orientation
from batch.images.container import Container, check_pages, check_side, check_size, raise_damaged
from batch.images.extra import ADVICE, FAILURES, NAME
from batch.images.grey import to_grey
from batch.images.pixels import Page, Pages, check_avif, reporting
from batch.records import Grey, Reason

KINDS = frozenset(("heic", "avif", "jpeg 2000", "jpeg xl"))
_MORE_INPUT = "NEED_MORE_INPUT"  # in the message of a decoder that has come to the end too early


def open_images(data: bytes, container: Container, max_pixels: int) -> Pages:
    """Open a file of one of these kinds.

    Args:
        data: The whole file.
        container: What it holds.
        max_pixels: Largest number of pixels that an image may have.

    Raises:
        ImageError: `unsupported` if the extra is not installed; `damaged` if the file cannot be opened.
    """
    try:
        if container.kind == "heic":
            import pi_heif as module
        else:
            import imagecodecs as module
    except ImportError as error:
        name = container.kind.upper()
        raise ImageError(Reason.UNSUPPORTED, f"{name} needs an extra: {ADVICE}", extra=NAME) from error
    if container.kind != "heic":
        return Pages(1, lambda _: _one(data, container, module, max_pixels))
    with _failures():
        count = len(module.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True))
    if not count:
        raise_damaged("it has no picture")
    check_pages(count)
    return Pages(count, lambda first: _heic(module, data, count, first, max_pixels))


def _heic(module: ModuleType, data: bytes, count: int, first: int, max_pixels: int) -> Iterator[Page]:
    for place in range(first - 1, count):
        try:
            with _failures():  # the open file keeps what it has decoded, so each image gets a new one
                image = module.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)[place]
                width, height = image.size
                check_size(width, height, max_pixels)
                pixels = np.asarray(image)
            yield _upright(pixels, 1)
        except ImageError as error:
            yield error


def _one(data: bytes, container: Container, module: ModuleType, max_pixels: int) -> Iterator[Page]:
    try:
        with _failures():
            if container.kind == "avif":
                pixels = module.avif_decode(data, numthreads=1)
                check_avif(data)
            elif container.kind == "jpeg xl":
                pixels = module.jpegxl_decode(data, numthreads=1)
            else:
                pixels = module.jpeg2k_decode(data, numthreads=1)
        check_size(pixels.shape[1], pixels.shape[0], max_pixels)
        is_opaque = pixels.ndim == 2 or pixels.shape[2] in (1, 3)
        # Of a JPEG XL of 16 bits, `to_grey` finds the white.
        if not (container.kind == "jpeg xl" and is_opaque and pixels.dtype == np.uint16):
            pixels = _stretched(pixels, container.white)
        yield _upright(pixels, container.orientation)
    except ImageError as error:
        yield error


def _stretched(pixels: npt.NDArray[Any], white: int) -> npt.NDArray[Any]:
    """Stretch levels from 0 to `white` to the whole range of their type, if the type fits them."""
    if pixels.dtype != (np.uint8 if white <= 255 else np.uint16):
        return pixels
    top = int(np.iinfo(pixels.dtype).max)
    levels = np.minimum(np.arange(top + 1) * (top / white), top)
    return pixels if white == top else levels.astype(pixels.dtype)[pixels]


def _upright(pixels: npt.NDArray[Any], turn: int) -> Grey:
    """Convert pixels in the order red, green, blue, alpha to grey, and turn them upright."""
    check_side(*pixels.shape[:2])
    with reporting():
        if pixels.ndim == 3 and pixels.shape[2] == 1:
            pixels = pixels[..., 0]
        elif pixels.ndim == 3 and pixels.shape[2] == 2:
            pixels = pixels[..., [0, 0, 0, 1]]
        elif pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]]
        return orientation.turn_upright(to_grey(np.ascontiguousarray(pixels)), turn)


@contextmanager
def _failures() -> Iterator[None]:
    """Turn what the decoders raise into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except (OSError, EOFError, SyntaxError, *FAILURES) as error:
        reason = Reason.TRUNCATED if _MORE_INPUT in str(error) else Reason.DAMAGED
        raise ImageError(reason, f"cannot be decoded: {error}") from error
