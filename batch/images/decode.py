"""Decoding of files to grey images; hostile, huge and unfinished files become an `ImageError`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import colour, extra, formats, orientation, transparency
from batch.images.completeness import Container
from batch.records import Grey, Image, Reason, ScanRef
from batch.storage import dispatch
from batch.terminal import stderr

MIN_SIDE_PX = 4
BYTES_PER_PIXEL = 8  # of 16-bit RGB with alpha; no format needs more
SPARE_BYTES = 1 << 20  # room for headers and profiles beside the pixels
CHUNK_BYTES = 4 << 20  # of files, read before digitbox decodes them; of pixels, decoded before it yields them

# The coefficients of a JPEG give it at an eighth, a quarter or a half, faster than as a whole.
REDUCED_PX = 640  # shortest longer side after that: enough for a small digit in a large scan
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)

# What libjpeg, libpng and libtiff print when pixels are missing or wrong. Other warnings are harmless (e.g.
# of an unknown tag, a damaged colour profile, or an Adobe marker).
_COMPLAINT = re.compile(
    rb"premature end|corrupt jpeg data: (?!bad icc)|inconsistent progression"
    rb"|libpng warning: (?:IDAT: (?!extra|too much)|not enough)"
    rb"|TIFF_Error|TIFF_Warning (?:Fax|LZW|ZIP|PackBits|TIFFFill)",
    re.IGNORECASE,
)
_NO_MEMORY = b"(-4:"  # OpenCV prints some errors instead of raising them

Read = tuple[ScanRef, Image | ImageError]
"""A file as it was when digitbox read it, with its image or with the error that says why there is none."""


def read(ref: ScanRef, max_pixels: int) -> Image:
    """Read a file once, and decode it.

    Args:
        ref: The file. If it has been identified, it must not have changed since.
        max_pixels: Largest number of pixels that the image may have; checked before the pixels are decoded.

    Raises:
        ImageError: The file has no usable image. The error has the reason, and the SHA-256 of the bytes if
            they could be read.
        InputError: Object storage cannot be read.
    """
    (((_, image),),) = read_all([ref], max_pixels)
    if isinstance(image, ImageError):
        raise image
    return image


def read_all(refs: Iterable[ScanRef], max_pixels: int) -> Iterator[list[Read]]:
    """Read and decode files in their order; many objects of a store are fetched at the same time.

    digitbox reads a chunk of files before it decodes them. A processor's cache has room for the instructions
    of one of these steps: if they took turns, each small file would take half as long again.

    Args:
        refs: The files; see `read`.
        max_pixels: Largest number of pixels that an image may have.

    Yields:
        A chunk of files, each with its image or with the error that `read` raises.

    Raises:
        InputError: Object storage cannot be read any more.
    """
    contents = dispatch.read_contents(refs, max_pixels * BYTES_PER_PIXEL + SPARE_BYTES)
    for chunk in _chunks(contents, lambda content: len(content[1]) if isinstance(content[1], bytes) else 0):
        yield from in_chunks((ref, decode_content(content, max_pixels)) for ref, content in chunk)


def in_chunks(images: Iterable[Read]) -> Iterator[list[Read]]:
    """Yield decoded files in chunks, each of as few files as reach `CHUNK_BYTES` of pixels.

    Args:
        images: Each file with its image, or with the error that it has none.
    """
    return _chunks(images, lambda read: read[1].grey.nbytes if isinstance(read[1], Image) else 0)


_Item = TypeVar("_Item")


def _chunks(items: Iterable[_Item], size_bytes: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """Yield the items in chunks, each of as few items as reach `CHUNK_BYTES`."""
    chunk: list[_Item] = []
    chunk_bytes = 0
    for item in items:
        chunk.append(item)
        chunk_bytes += size_bytes(item)
        if chunk_bytes >= CHUNK_BYTES:
            yield chunk
            chunk, chunk_bytes = [], 0
    if chunk:
        yield chunk


def decode_content(content: bytes | ImageError, max_pixels: int) -> Image | ImageError:
    """Decode the content of a file, if there is any.

    Args:
        content: The whole file, or why it could not be read.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        The image with the digest of its file, or why there is none.
    """
    if isinstance(content, ImageError):
        return content
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return Image(decode(content, max_pixels), sha256)
    except ImageError as error:
        # The error that was raised keeps the pixels alive through its traceback, so digitbox makes a new one.
        return ImageError(error.reason, error.detail, sha256)


def decode(data: bytes, max_pixels: int) -> Grey:
    """Decode the content of a file.

    Args:
        data: The whole file.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        Array of uint8 (height, width), 0 black to 255 white, upright if the file says how to turn it. A large
        JPEG comes at a fraction of its size. 16 bits are stretched to the whole range, because few such files
        use all of it. Transparent pixels become paper: white, or black under light ink.

    Raises:
        ImageError: The file has no usable image; the error has the reason.
    """
    container = formats.parse(data, max_pixels)
    size = container.height_px, container.width_px
    if container.pages > 1:
        raise ImageError(Reason.SEVERAL_PAGES, f"{container.pages} pages or frames: give one file for each")
    if min(size) < MIN_SIDE_PX:
        raise ImageError(Reason.TOO_SMALL, f"{size[1]} x {size[0]} pixels are too few for a digit")
    try:
        grey = _decode(data, container, size)
        grey = np.asarray(orientation.make_square(grey, container.aspect, max_pixels), np.uint8)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels") from error
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error.err}") from error
    except MemoryError as error:
        raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels") from error
    return orientation.turn_upright(grey, container.orientation)


def _decode(data: bytes, container: Container, size: tuple[int, int]) -> Grey:
    """Decode a file to grey as its pixels lie."""
    if container.needs_extra:
        return _to_grey(extra.decode(data, container))
    # OpenCV turns some images upright and not others, so digitbox turns all of them.
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    if container.has_alpha:
        flags = cv2.IMREAD_UNCHANGED
    elif container.needs_colour:
        flags |= cv2.IMREAD_COLOR
    if container.kind == "jpeg":
        factor, reduced = next((step for step in _REDUCED if max(size) >= REDUCED_PX * step[0]), (1, 0))
        flags = reduced | cv2.IMREAD_IGNORE_ORIENTATION if factor > 1 else flags
        size = -(-size[0] // factor), -(-size[1] // factor)
    pixels = _decode_pixels(data, container, flags, size)
    alpha = None
    if container.transparent >= 0:
        alpha = np.where(pixels == container.transparent, 0, 255).astype(np.uint8)
    grey = _to_grey(pixels, alpha)
    if container.is_coloured and pixels.ndim == 2 and not colour.shows_ink(grey):
        coloured = _decode_pixels(data, container, flags | cv2.IMREAD_COLOR, size)
        ink = colour.find_ink(np.asarray(coloured, np.uint8)) if coloured.dtype == np.uint8 else None
        return grey if ink is None else ink
    return grey


def _decode_pixels(
    data: bytes, container: Container, flags: int, size: tuple[int, int]
) -> npt.NDArray[np.generic]:
    """Decode a file with OpenCV, and fail if its decoder complains.

    The decoders return an image for a file that is damaged inside, and only say so on stderr. Damage that is
    still a valid code (e.g. a flipped bit of a JPEG) stays unseen where a format has no checksums.
    """
    content = np.frombuffer(data, np.uint8)
    if container.patches:
        content = content.copy()
        for position, replacement in container.patches:
            content[position : position + len(replacement)] = np.frombuffer(replacement, np.uint8)
    with stderr.capture() as messages:
        if container.kind == "tiff":
            with _log_warnings():
                pixels = cv2.imdecode(content, flags)
        else:
            pixels = cv2.imdecode(content, flags)
    if messages and _NO_MEMORY in messages[0]:
        raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels")
    if messages and _COMPLAINT.search(messages[0]):
        raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")
    if pixels is None or pixels.shape[:2] != size:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded, though it looks like {container.kind}")
    if container.white < 255 and pixels.dtype == np.uint8:
        pixels = cv2.LUT(pixels, np.minimum(np.arange(256) * (255 / container.white), 255).astype(np.uint8))
    if container.is_inverted:
        pixels = ~pixels if pixels.dtype.kind in "iu" else -pixels
    return pixels


@contextmanager
def _log_warnings() -> Iterator[None]:
    """Let OpenCV print the warnings of its TIFF library, whatever level the user has set."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def from_pixels(pixels: npt.NDArray[np.generic], max_pixels: int) -> Grey:
    """Convert an image that a program has in memory.

    Args:
        pixels: Array of (height, width), or (height, width, 3 or 4) in the order blue, green, red, alpha;
            numbers or bool. Floats from 0 to 1 are levels from black to white. digitbox stretches numbers of
            other types than uint8 to the whole range.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        Array of uint8 (height, width), 0 black to 255 white; see `decode`.

    Raises:
        ImageError: It has too few pixels or too many, or they are not numbers.
    """
    height, width = pixels.shape[:2]
    if not pixels.size:
        raise ImageError(Reason.EMPTY, "the array has no pixels")
    if height * width > max_pixels:
        raise ImageError(Reason.TOO_LARGE, f"{width} x {height} pixels are more than {max_pixels}")
    if min(height, width) < MIN_SIDE_PX:
        raise ImageError(Reason.TOO_SMALL, f"{width} x {height} pixels are too few for a digit")
    if pixels.dtype == np.bool_ or (pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1):
        pixels = np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)
    return _to_grey(pixels)


def _to_grey(pixels: npt.NDArray[np.generic], alpha: Grey | None = None) -> Grey:
    """Convert decoded pixels of any type and number of channels to grey, uint8 (height, width)."""
    # A large scan takes much memory, so each step keeps as few bytes and channels as it can.
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        opacity = cv2.extractChannel(pixels, 3)
        opaque = 65535.0 if opacity.dtype == np.uint16 else max(1.0, float(opacity.max()))
        alpha = _to_bytes(opacity, 0, opaque)
    if pixels.ndim == 2:
        grey = np.asarray(pixels if pixels.dtype == np.uint8 else _stretch(pixels), np.uint8)
    else:
        levels = _stretch_colours(pixels)
        grey = colour.to_grey(
            cv2.cvtColor(levels, cv2.COLOR_BGRA2BGR) if levels.shape[2] == 4 else levels, alpha
        )
    return grey if alpha is None else transparency.put_on_paper(grey, alpha)


def _to_bytes(pixels: npt.NDArray[np.generic], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Convert 16-bit or float pixels to 0 at `low` and 255 at `high`, and leave 8-bit pixels as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    scale = 255 / (high - low)
    return np.asarray(cv2.convertScaleAbs(pixels, alpha=scale, beta=-low * scale), np.uint8)


def _stretch_colours(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Stretch 16-bit colours to 0 to 255, all channels alike, and leave 8-bit colours as they are."""
    if pixels.dtype == np.uint8:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype != np.uint16:
        return _stretch(pixels)
    low, high = int(pixels[..., :3].min()), int(pixels[..., :3].max())
    return _to_bytes(pixels, *((low, high) if low < high else (0, 65535)))


def _stretch(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """Stretch 16-bit or float pixels to 0 to 255."""
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(Reason.DAMAGED, "its pixels are not numbers")
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    values[~finite] = low
    if low == high:  # all ink is in the alpha channel, if there is any
        low, high = 0.0, 65535.0
    values -= low
    values *= 255.0 / (high - low)
    return np.asarray(np.rint(np.clip(values, 0, 255, out=values), out=values), np.uint8)
