"""The forms in which Python programs have scans, and the way from each to a grey image."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Mapping
from io import RawIOBase
from os import PathLike
from typing import IO, Any, Literal, Protocol, cast

import numpy as np
import numpy.typing as npt

from batch.errors import ConfigError, ImageError
from batch.images import decode
from batch.images.container import check_size, max_bytes
from batch.images.grey import from_pixels
from batch.images.pixels import reporting
from batch.locations import check_location, check_name
from batch.records import Image, Reason, ScanRef
from batch.terminal import stderr


class PillowImage(Protocol):
    """An image of Pillow, as far as digitbox asks before it loads the pixels."""

    @property
    def mode(self) -> str:
        """The kind of its pixels."""

    @property
    def size(self) -> tuple[int, int]:
        """Its width and height in pixels."""


Source = (
    str
    | PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | RawIOBase
    | npt.NDArray[Any]
    | PillowImage
)
"""A scan: a path, the bytes of a file, an open binary file, an array of pixels, or an image of Pillow.

An array is (height, width) or (height, width, 1) in grey, or (height, width, 3 or 4) in colour. 8 bits are
levels from 0 black to 255 white. Of other numbers, 0 is black, and white is the highest number of the fewest
bits that hold all of them, e.g. 1 for floats from 0 to 1. With negative ones, the lowest is black and the
highest is white.
"""

Channels = Literal["BGR", "RGB"]
"""The order of the channels of an array in colour: `BGR` from OpenCV, `RGB` from Pillow or Matplotlib."""

Pixels = npt.NDArray[Any] | PillowImage
"""A scan that the program has in memory, and may change once digitbox has taken it."""

Opened = ScanRef | bytes | Image | ImageError
"""A scan whose bytes or grey pixels are at hand, or the file that has them, or why there is nothing."""

_ADVICE = "give a path, bytes, an open binary file, an array or an image of Pillow"
_FORMS = (str, os.PathLike, bytes, bytearray, memoryview, np.ndarray)
_AS_THEY_ARE = "1", "L", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"  # modes of grey pixels in Pillow


def is_one(value: object) -> bool:
    """Return whether a value is one scan, and not several."""
    return isinstance(value, _FORMS) or hasattr(value, "read") or _is_pillow(value)


def advice_on_names(value: object) -> str:
    """Return what to give instead of a table, e.g. of pandas, or a mapping; empty for everything else.

    An iteration over these gives no scans, but names.
    """
    if hasattr(value, "columns"):
        return "give a column of it, e.g. list(table['file'])"
    if isinstance(value, Mapping):
        return "give one of its values, or several, e.g. list(mapping.values())"
    return ""


def open_source(source: Source, channels: Channels | None, max_pixels: int) -> Opened | Pixels:
    """Return a scan with its bytes or pixels; digitbox decodes nothing yet. `take` is for the pixels.

    Args:
        source: The scan.
        channels: The order of the channels of arrays in colour.
        max_pixels: Largest number of pixels that it may have.

    Raises:
        ConfigError: It is no scan, an array of another shape or type than an image's, or a file that is open
            as text. Or it is an address of another kind than digitbox reads, or has credentials in it. Or
            there is no such order of channels.
    """
    if not isinstance(channels, str | None) or channels not in (None, "BGR", "RGB"):
        raise ConfigError(f"channels must be 'BGR' or 'RGB', not {channels!r}")
    if isinstance(source, str | PathLike):
        path = os.fsdecode(source)
        try:
            check_name(path)
        except ConfigError:
            return ScanRef("", path)  # which is not there, either
        # A program may have found a path like ~/a.png: a Path takes the ./ before it away.
        is_found = path.startswith("~") and os.path.lexists(path)
        return ScanRef(path if is_found else check_location(path), path)
    if isinstance(source, np.ndarray):
        _check_array(source, channels)
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if _is_pillow(source):
        return cast(PillowImage, source)
    if hasattr(source, "read"):
        return _content_of(source, max_bytes(max_pixels))
    raise ConfigError(
        f"cannot read a scan from {type(source).__name__}: {advice_on_names(source) or _ADVICE}"
    )


def take(pixels: Pixels, channels: Channels | None, max_pixels: int) -> Image | ImageError:
    """Return the grey image of pixels, which stays as it is if the program changes them.

    Args:
        pixels: The pixels that `open_source` returned.
        channels: The order of the channels of arrays in colour.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        The image, or why there is none.
    """
    try:
        levels = (
            _in_order(pixels, channels) if isinstance(pixels, np.ndarray) else _pixels_of(pixels, max_pixels)
        )
        grey = from_pixels(levels, max_pixels)
    except ImageError as error:
        # The error that was raised keeps the pixels alive through its traceback, so digitbox makes a new one.
        return ImageError(error.reason, error.detail)
    is_theirs = isinstance(pixels, np.ndarray) and np.may_share_memory(grey, pixels)
    return Image(grey.copy() if is_theirs else grey, "")


def size_bytes(opened: Opened) -> int:
    """Return how much memory a scan takes; 0 for a file."""
    if isinstance(opened, bytes):
        return len(opened)
    return opened.grey.nbytes if isinstance(opened, Image) else 0


def decode_opened(opened: Opened, max_pixels: int) -> Image | ImageError:
    """Decode a scan, if it has not been decoded.

    Args:
        opened: The scan.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        The image, or why there is none.

    Raises:
        InputError: Object storage cannot be read.
    """
    if isinstance(opened, ScanRef):
        ((_, image),) = decode.read_all([opened], max_pixels, max_pages=1)
        return image
    if isinstance(opened, bytes):
        return decode.decode_content(opened or ImageError(Reason.EMPTY, "there are no bytes"), max_pixels)
    return opened


def _check_array(pixels: npt.NDArray[Any], channels: Channels | None) -> None:
    shape = pixels.shape
    if pixels.dtype.kind not in "buif":
        raise ConfigError(
            f"an array of {pixels.dtype} has no pixels: give numbers, or list(array) for several scans"
        )
    if pixels.ndim == 4 or (pixels.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise ConfigError(f"an array of shape {shape} is not one image: for several, give list(array)")
    if pixels.ndim not in (2, 3):
        raise ConfigError(
            f"an array of shape {shape} is no image: give (height, width) or (height, width, 3)"
        )
    if channels is None and pixels.ndim == 3 and shape[2] > 1:
        raise ConfigError(
            "an array in colour needs the order of its channels: give channels='BGR' if it is from OpenCV, "
            "or channels='RGB' if it is from Pillow or Matplotlib"
        )


def _in_order(pixels: npt.NDArray[Any], channels: Channels | None) -> npt.NDArray[Any]:
    """Return an array without a single channel, with blue first, in one piece of memory."""
    pixels = np.asarray(pixels)  # a matrix or a masked array has other operators
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim == 3 and channels == "RGB":
        pixels = pixels[:, :, [2, 1, 0, *range(3, pixels.shape[2])]]
    return np.ascontiguousarray(pixels)


def _content_of(file: Any, max_bytes: int) -> bytes | ImageError:
    """Return the rest of an open file; it stays open."""
    chunks: list[bytes] = []  # an unbuffered file gives what has come
    size = 0
    while size <= max_bytes:
        try:
            chunk = _next_of(file, max_bytes + 1 - size)
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            return ImageError(Reason.UNREADABLE, str(error))
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
    return ImageError(Reason.TOO_LARGE, f"it has more than {max_bytes} bytes")


def _next_of(file: Any, max_bytes: int) -> bytes:
    try:
        content = file.read(max_bytes)
    except UnicodeError as error:
        raise ConfigError("the file is open as text: open it with mode 'rb', or give its bytes") from error
    if content is None:  # it does not block
        raise ConfigError("not all bytes of the file are there: read it to its end, and give its bytes")
    if not isinstance(content, bytes):
        if hasattr(content, "close"):
            content.close()  # a coroutine
        raise ConfigError(
            f"the file gave {type(content).__name__} and not bytes: open it with mode 'rb', or give its bytes"
        )
    return content


def _is_pillow(value: object) -> bool:
    pillow = sys.modules.get("PIL.Image")  # who has such an image has imported it
    return pillow is not None and isinstance(value, pillow.Image)


def _load(image: Any) -> None:
    try:
        image.load()
    except (AssertionError, AttributeError) as error:  # Pillow only assumes that the file is open
        raise OSError("its file is closed") from error


@reporting()
def _pixels_of(image: Any, max_pixels: int) -> npt.NDArray[Any]:
    """Return the pixels of an image of Pillow, upright, with blue first.

    Raises:
        ImageError: It is too large, or Pillow cannot load it.
    """
    from PIL import ImageOps

    width, height = image.size
    check_size(width, height, max_pixels)
    try:
        with stderr.silence():  # the decoders print warnings, and the results say the same
            _load(image)
            upright = ImageOps.exif_transpose(image)
        if upright.mode == "La":  # which Pillow converts to nothing else
            upright = upright.convert("LA")
        if upright.has_transparency_data:
            return _in_order(np.asarray(upright.convert("RGBA")), "RGB")
        if upright.mode in _AS_THEY_ARE:
            return np.asarray(upright)
        return _in_order(np.asarray(upright.convert("RGB")), "RGB")
    except (OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        # A file that Pillow opened is damaged or closed.
        raise ImageError(Reason.DAMAGED, f"Pillow cannot load it: {error}") from error
