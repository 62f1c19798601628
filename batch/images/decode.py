"""Decoding of files to grey images; hostile, huge and unfinished files become an `ImageError`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import formats
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

# libjpeg warns of these if pixels are missing. Other warnings (e.g. of a few bytes too many) are harmless.
_HOLE = re.compile(rb"premature end|bad huffman|corrupt data|instead of RST", re.IGNORECASE)

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
    flags = cv2.IMREAD_UNCHANGED if container.has_alpha else cv2.IMREAD_ANYDEPTH
    try:
        if container.kind == "jpeg":
            factor, flags = next(
                (reduced for reduced in _REDUCED if max(size) >= REDUCED_PX * reduced[0]), (1, flags)
            )
            size = -(-size[0] // factor), -(-size[1] // factor)
            pixels = _decode_jpeg(data, flags)
        else:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error.err}") from error
    if pixels is None or sorted(pixels.shape[:2]) != sorted(size):
        raise ImageError(Reason.DAMAGED, f"cannot be decoded, though it looks like {container.kind}")
    if container.white < 255 and pixels.dtype == np.uint8:
        pixels = cv2.LUT(pixels, np.minimum(np.arange(256) * (255 / container.white), 255).astype(np.uint8))
    return _to_grey(pixels)


def from_pixels(pixels: npt.NDArray[np.generic], max_pixels: int) -> Grey:
    """Convert an image that a program has in memory.

    Args:
        pixels: Array of (height, width), or (height, width, 3 or 4) in the order blue, green, red, alpha;
            uint8, uint16, float or bool.
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
    return _to_grey(pixels.astype(np.uint8) * np.uint8(255) if pixels.dtype == np.bool_ else pixels)


def _decode_jpeg(data: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    """Decode a JPEG, and fail if parts of its pixels are missing.

    libjpeg returns an image for a JPEG that is cut inside, and only warns on stderr. Damage that is still a
    valid code (e.g. a flipped bit) stays unseen: JPEG has no checksums.
    """
    with stderr.capture() as messages:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if messages and _HOLE.search(messages[0]):
        raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")
    return pixels


def _to_grey(pixels: npt.NDArray[np.generic]) -> Grey:
    """Convert decoded pixels of any type and number of channels to grey, uint8 (height, width)."""
    # A large scan takes much memory, so each step keeps as few bytes and channels as it can.
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32)
    alpha = None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = cv2.extractChannel(pixels, 3)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY)
    elif pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    grey = np.asarray(pixels if pixels.dtype == np.uint8 else _stretch(pixels), np.uint8)
    if alpha is None:
        return grey
    if alpha.dtype != np.uint8:
        alpha = cv2.convertScaleAbs(alpha, alpha=255.0 / 65535.0)
    return _put_on_paper(grey, np.asarray(alpha, np.uint8))


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


def _put_on_paper(grey: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> Grey:
    """Put ink that is drawn on transparent ground on paper: white, or black under light ink."""
    weight = int(alpha.sum(dtype=np.int64))
    if weight >= 255 * alpha.size - 127:
        return grey
    weighted = cv2.multiply(grey, alpha, dtype=cv2.CV_16U)
    is_light = weight > 0 and int(weighted.sum(dtype=np.int64)) > 127 * weight
    if is_light:
        return np.asarray(cv2.multiply(grey, alpha, scale=1 / 255), np.uint8)
    return np.asarray(255 - cv2.multiply(255 - grey, alpha, scale=1 / 255), np.uint8)
