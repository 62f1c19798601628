"""From a file to a grey image: hostile, huge and unfinished files become an `ImageError`."""

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
# No format needs more bytes a pixel than 16-bit RGB with alpha; beside them, room for headers and profiles.
BYTES_PER_PIXEL = 8
SPARE_BYTES = 1 << 20
CHUNK_BYTES = 4 << 20  # of files, and then of pixels, that are read before anything is done with them

# A large JPEG need not be decoded whole: its coefficients give it at an eighth, a quarter or a half.
REDUCED_PX = 640  # longer side that is kept, at least: enough for a digit that is small in it
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)

# What is merely odd, such as a few bytes too many, is let pass.
_HOLE = re.compile(rb"premature end|bad huffman|corrupt data|instead of RST", re.IGNORECASE)

Read = tuple[ScanRef, Image | ImageError]
"""A file as it was when it was read, with its image, or with why there is none."""


def read(ref: ScanRef, max_pixels: int) -> Image:
    """Reads and decodes a file, once.

    Args:
        ref: the file; if it was looked at before, it must be the same still.
        max_pixels: more are too many; checked before anything is decoded.

    Raises:
        ImageError: with the reason; with the SHA-256 too, where the bytes could be read.
        InputError: object storage cannot be read.
    """
    (((_, image),),) = read_all([ref], max_pixels)
    if isinstance(image, ImageError):
        raise image
    return image


def read_all(refs: Iterable[ScanRef], max_pixels: int) -> Iterator[list[Read]]:
    """Reads and decodes files, in their order; those of object storage are fetched many at once.

    Some files are read first, and then decoded: a processor's cache has room for the instructions of one of
    these steps, and by turns each small file would take half as long again.

    Yields:
        Some files, each as it was when it was read, with its image, or with the error that `read` raises.

    Raises:
        InputError: object storage cannot be read any more.
    """
    contents = dispatch.read_contents(refs, max_pixels * BYTES_PER_PIXEL + SPARE_BYTES)
    for some in _chunks(contents, lambda content: len(content[1]) if isinstance(content[1], bytes) else 0):
        images = ((ref, _decode_content(content, max_pixels)) for ref, content in some)
        yield from _chunks(images, lambda read: read[1].grey.nbytes if isinstance(read[1], Image) else 0)


_Item = TypeVar("_Item")


def _chunks(items: Iterable[_Item], size_bytes: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """Some items at a time: as few as come to `AT_ONCE_BYTES`."""
    some: list[_Item] = []
    held_bytes = 0
    for item in items:
        some.append(item)
        held_bytes += size_bytes(item)
        if held_bytes >= CHUNK_BYTES:
            yield some
            some, held_bytes = [], 0
    if some:
        yield some


def _decode_content(content: bytes | ImageError, max_pixels: int) -> Image | ImageError:
    if isinstance(content, ImageError):
        return content
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return Image(decode(content, max_pixels), sha256)
    except ImageError as error:
        # Made anew: the one that was raised holds on to pixels.
        return ImageError(error.reason, error.detail, sha256)


def decode(data: bytes, max_pixels: int) -> Grey:
    """Decodes the content of a file.

    Args:
        data: the whole file.
        max_pixels: more are too many.

    Returns:
        uint8 (height, width), upright where the file says how it was held; large JPEGs at a fraction of their
        size. 16 bits are stretched to the whole range: few such files use all of it. What is transparent
        becomes a ground of the opposite brightness of the ink.

    Raises:
        ImageError: with the reason.
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
            part, flags = next(
                (found for found in _REDUCED if max(size) >= REDUCED_PX * found[0]), (1, flags)
            )
            size = -(-size[0] // part), -(-size[1] // part)
            pixels = _decode_jpeg(data, flags)
        else:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error.err}") from error
    if pixels is None or sorted(pixels.shape[:2]) != sorted(size):
        raise ImageError(Reason.DAMAGED, f"cannot be decoded, though it looks like {container.kind}")
    if container.white < 255 and pixels.dtype == np.uint8:
        pixels = cv2.LUT(pixels, np.minimum(np.arange(256) * (255 / container.white), 255).astype(np.uint8))
    return _grey(pixels)


def _decode_jpeg(data: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    """Decodes a JPEG; one cut inside, its end marker in place, would be an image, and only stderr be told.

    Damage that still is a valid code (a flipped bit) shows in no way: JPEG has no checksums.
    """
    with stderr.capture() as said:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if said and _HOLE.search(said[0]):
        raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")
    return pixels


def _grey(pixels: npt.NDArray[np.generic]) -> Grey:
    # Large scans: nothing is held in more bytes, or for more channels, than need be.
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = pixels.astype(np.float32)
    alpha = None
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = cv2.extractChannel(pixels, 3)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY)
    elif pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    grey = np.asarray(pixels if pixels.dtype == np.uint8 else _stretched(pixels), np.uint8)
    if alpha is None:
        return grey
    if alpha.dtype != np.uint8:
        alpha = cv2.convertScaleAbs(alpha, alpha=255.0 / 65535.0)
    return _on_ground(grey, np.asarray(alpha, np.uint8))


def _stretched(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """16-bit or float pixels on 0 to 255."""
    values = pixels.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.any():
        raise ImageError(Reason.DAMAGED, "its pixels are no numbers")
    low = float(values.min(where=finite, initial=np.inf))
    high = float(values.max(where=finite, initial=-np.inf))
    values[~finite] = low
    if low == high:  # only the alpha channel can show something
        low, high = 0.0, 65535.0
    values -= low
    values *= 255.0 / (high - low)
    return np.asarray(np.rint(np.clip(values, 0, 255, out=values), out=values), np.uint8)


def _on_ground(grey: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]) -> Grey:
    """Puts what is drawn on transparent ground on paper: white, or black where it is drawn in light ink."""
    weight = int(alpha.sum(dtype=np.int64))
    if weight >= 255 * alpha.size - 127:
        return grey
    inked = cv2.multiply(grey, alpha, dtype=cv2.CV_16U)
    is_light = weight > 0 and int(inked.sum(dtype=np.int64)) > 127 * weight
    if is_light:
        return np.asarray(cv2.multiply(grey, alpha, scale=1 / 255), np.uint8)
    return np.asarray(255 - cv2.multiply(255 - grey, alpha, scale=1 / 255), np.uint8)
