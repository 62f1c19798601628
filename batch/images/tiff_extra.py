"""TIFFs that OpenCV does not read, or reads wrong: decoded by `tifffile`, of the extra `formats`.

`tifffile` reads all of them and gives the pixels as they are stored; Pillow knows no 6 bits, no half floats
and no CMYK of 16 bits. `imagecodecs` is what it decompresses with.
"""

from __future__ import annotations

import io
import logging
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images.container import Container, raise_damaged
from batch.images.extra import ADVICE, FAILURES, NAME
from batch.records import Reason

_LOGGER = logging.getLogger("tifffile")


class _Listener(logging.Handler):
    """A handler that keeps what `tifffile` complains of."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self.messages.append(record.getMessage())


def decode(data: bytes, container: Container) -> npt.NDArray[np.generic]:
    """Decode the page of a TIFF that holds the scan.

    Args:
        data: The whole file.
        container: What the file holds.

    Returns:
        Array of (height, width), or (height, width, 3 or 4): blue, green, red, alpha. It is uint8, uint16,
        uint32 or float32, and 0 is black.

    Raises:
        ImageError: `unsupported` if the extra is not installed or does not know the kind of pixels; `damaged`
            if it cannot decode them.
    """
    try:
        import imagecodecs  # noqa: F401
        import tifffile
    except ImportError as error:
        raise ImageError(Reason.UNSUPPORTED, f"an unusual TIFF: {ADVICE}", extra=NAME) from error
    listener, propagates = _Listener(), _LOGGER.propagate
    _LOGGER.addHandler(listener)
    _LOGGER.propagate = False
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            file.filehandle.seek(container.page_offset)
            page = tifffile.TiffPage(file, 0)
            if (page.imagelength, page.imagewidth) != (container.height_px, container.width_px):
                raise_damaged("its decoder finds another size in it")
            pixels = _pixels(page)
    except (tifffile.TiffFileError, struct.error, OSError, *FAILURES) as error:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error}") from error
    finally:
        _LOGGER.removeHandler(listener)
        _LOGGER.propagate = propagates
    if listener.messages:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {listener.messages[0]}")
    return pixels


def _pixels(page: Any) -> npt.NDArray[np.generic]:
    """Return the pixels of a page as `decode` does."""
    if page.imagedepth != 1:
        raise ImageError(Reason.UNSUPPORTED, "a TIFF of several layers: convert it to PNG")
    photometric = page.photometric.name if page.photometric is not None else "MINISBLACK"
    pixels = np.asarray(page.asarray())
    if page.planarconfig == 2 and pixels.ndim == 3:
        pixels = np.moveaxis(pixels, 0, -1)
    pixels = pixels.reshape(page.imagelength, page.imagewidth, -1)
    is_unusual = pixels.dtype.kind == "c" or (pixels.dtype.kind == "f" and photometric == "SEPARATED")
    if is_unusual or isinstance(page.bitspersample, tuple):
        raise ImageError(Reason.UNSUPPORTED, "a TIFF of unusual numbers: convert it to PNG")
    if photometric == "PALETTE":
        # Palettes have 16 bits, but some writers use 8 of them.
        colours = page.colormap.T >> (8 if page.colormap.max() > 255 else 0)
        return np.ascontiguousarray(colours.astype(np.uint8)[pixels[..., 0]][..., ::-1])
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
    elif page.bitspersample < 8:
        pixels = (
            (pixels.astype(np.float32) * (255 / ((1 << page.bitspersample) - 1))).round().astype(np.uint8)
        )
    elif pixels.dtype.kind == "i":
        pixels = pixels.astype(np.float32)
    if photometric in ("MINISWHITE", "SEPARATED"):
        color_count = 1 if photometric == "MINISWHITE" else 4
        inks = pixels[..., :color_count]
        white = max(255, (1 << page.bitspersample) - 1)
        inks = white - inks if inks.dtype.kind == "u" else -inks
        pixels = np.concatenate([inks, pixels[..., color_count:]], axis=2)
    if photometric == "SEPARATED" and pixels.shape[2] >= 4:
        return _from_inks(pixels)
    if photometric in ("MINISBLACK", "MINISWHITE"):
        colours, extras = pixels[..., :1], pixels[..., 1:2]
    elif photometric in ("RGB", "YCBCR") and pixels.shape[2] >= 3:
        colours, extras = pixels[..., 2::-1], pixels[..., 3:4]
    else:
        raise ImageError(Reason.UNSUPPORTED, f"a TIFF of {photometric} colours: convert it to PNG")
    has_alpha = extras.shape[2] and page.extrasamples[:1] in ((1,), (2,))
    if not has_alpha:
        return np.ascontiguousarray(colours if colours.shape[2] > 1 else colours[..., 0])
    if colours.shape[2] == 1:
        colours = np.repeat(colours, 3, axis=2)
    return np.ascontiguousarray(np.concatenate([colours, extras], axis=2))


def _from_inks(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Convert inverted cyan, magenta, yellow and black to blue, green and red."""
    values = pixels[..., :4].astype(np.float32)
    white = 65535.0 if pixels.dtype == np.uint16 else 255.0
    return np.ascontiguousarray(values[..., 2::-1] * (values[..., 3:4] / white)).astype(pixels.dtype)
