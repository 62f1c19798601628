"""The decoding of a page to a grey image, and the ear for decoders that complain."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import colour, orientation, tiff_extra
from batch.images.container import Container, check_side
from batch.images.grey import to_grey
from batch.records import Grey, Reason
from batch.terminal import stderr

# The coefficients of a JPEG give it at an eighth, a quarter or a half, faster than as a whole.
REDUCED_PX = 640  # shortest longer side after that: enough for a small digit in a large scan
REDUCED_SHORT_PX = 144  # shortest shorter side: enough for the strip of a number in a wide field
_REDUCED = (
    (8, cv2.IMREAD_REDUCED_GRAYSCALE_8),
    (4, cv2.IMREAD_REDUCED_GRAYSCALE_4),
    (2, cv2.IMREAD_REDUCED_GRAYSCALE_2),
)

# What libjpeg, libpng, libtiff and libaom print when pixels are missing or wrong. Other warnings are harmless
# (e.g. of an unknown tag, a damaged colour profile, or an Adobe marker).
_COMPLAINT = re.compile(
    rb"premature end|corrupt jpeg data: (?!bad icc)|inconsistent progression"
    rb"|libpng warning: (?:IDAT: (?!extra|too much)|not enough)"
    rb"|TIFF_Error|TIFF_Warning (?:Fax|LZW|ZIP|PackBits|TIFFFill)"
    rb"|aom_codec_decode\(\) failed",
    re.IGNORECASE,
)
_LOGGED = frozenset(("tiff", "avif"))  # whose libraries complain to OpenCV, and OpenCV to its log
_HEARINGS = 3  # times that the decoder of a damaged file must complain
_NO_MEMORY = b"(-4:"  # OpenCV prints some errors instead of raising them

_Decoded = TypeVar("_Decoded")
Page = Grey | ImageError
"""A page, or why it cannot be read."""


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages of an open file.

    Attributes:
        count: Their number, at least 1.
        read: Function that takes the number of a page, from 1, and yields that page and all after it. It
            decodes a page when somebody asks for it, and holds few of them at a time.
    """

    count: int
    read: Callable[[int], Iterator[Page]]


class Buffer:
    """The bytes of a file, of which some are replaced while a page is decoded.

    Args:
        data: The whole file.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._content = np.frombuffer(data, np.uint8)

    @contextmanager
    def patched(self, container: Container) -> Iterator[npt.NDArray[np.uint8]]:
        """Give the bytes of a page; what `Container.patches` says is replaced for so long."""
        if not container.patches:
            content = self._content[slice(*container.span)] if container.span else self._content
            if container.kind == "pnm" and content[-1:].tobytes().isdigit():
                content = np.append(content, np.uint8(ord("\n")))  # OpenCV reads one byte after a number
            yield content
            return
        if not self._content.flags.writeable:
            self._content = self._content.copy()
        before = [
            (position, self._content[position : position + len(patch)].copy())
            for position, patch in container.patches
        ]
        for position, patch in container.patches:
            self._content[position : position + len(patch)] = np.frombuffer(patch, np.uint8)
        try:
            yield self._content
        finally:
            for position, replaced in before:
                self._content[position : position + len(replaced)] = replaced


def decode_page(buffer: Buffer, container: Container, max_pixels: int, *, full_size: bool = False) -> Grey:
    """Decode a page that OpenCV or the extra reads, however small it is.

    Args:
        buffer: The file.
        container: What the page holds.
        max_pixels: Largest number of pixels that the image may have.
        full_size: Decode a large JPEG with all its pixels, too.

    Returns:
        Array of uint8 (height, width), 0 black to 255 white; see `decode.decode`.

    Raises:
        ImageError: The page has no usable image; the error has the reason.
    """
    with reporting():
        return _upright(_decode(buffer, container, full_size), container, max_pixels)


def _upright(grey: Grey, container: Container, max_pixels: int) -> Grey:
    """Make the pixels of a decoded page square, and turn it upright."""
    is_turned = container.is_coloured and container.aspect != 1 and colour.is_dark(grey)
    square = orientation.make_square(~grey if is_turned else grey, container.aspect, max_pixels)
    upright = orientation.turn_upright(np.asarray(square, np.uint8), container.orientation)
    return ~upright if is_turned else upright


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors of OpenCV and a lack of memory into an `ImageError`."""
    try:
        yield
    except (cv2.error, MemoryError) as error:
        if isinstance(error, MemoryError) or error.code == cv2.Error.StsNoMem:
            raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels") from error
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error.err}") from error


def _decode(buffer: Buffer, container: Container, full_size: bool) -> Grey:
    """Decode a file to grey as its pixels lie."""
    size = container.height_px, container.width_px
    if container.needs_extra:
        return to_grey(tiff_extra.decode(buffer.data, container))
    # OpenCV turns some images upright and not others, so digitbox turns all of them.
    flags = cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    if container.has_alpha:
        flags = cv2.IMREAD_UNCHANGED
    elif container.is_coloured and container.kind != "jpeg":  # a JPEG holds its brightness
        flags |= cv2.IMREAD_COLOR
    if container.kind == "jpeg" and not full_size:
        factor = min(max(size) // REDUCED_PX, min(size) // REDUCED_SHORT_PX)
        factor, reduced = next((step for step in _REDUCED if step[0] <= factor), (1, 0))
        flags = reduced | cv2.IMREAD_IGNORE_ORIENTATION if factor > 1 else flags
        size = -(-size[0] // factor), -(-size[1] // factor)
    pixels = _decode_pixels(buffer, container, flags, size)
    alpha = None
    if container.transparent >= 0:
        alpha = np.where(pixels == container.transparent, 0, 255).astype(np.uint8)
    grey = to_grey(pixels, alpha)
    if container.is_coloured and pixels.ndim == 2 and not colour.shows_ink(grey):
        coloured = _decode_pixels(buffer, container, flags | cv2.IMREAD_COLOR, size)
        ink = colour.find_ink(np.asarray(coloured, np.uint8))
        return grey if ink is None else ink
    return grey


def _decode_pixels(
    buffer: Buffer, container: Container, flags: int, size: tuple[int, int]
) -> npt.NDArray[np.generic]:
    """Decode a page with OpenCV, and fail if its decoder complains."""
    with buffer.patched(container) as content:
        pixels = _heard(container.kind, lambda: cv2.imdecode(content, flags))
    if pixels is None or pixels.shape[:2] != size:
        raise ImageError(Reason.DAMAGED, f"cannot be decoded, though it looks like {container.kind}")
    if container.white < 255 and pixels.dtype == np.uint8:
        pixels = cv2.LUT(pixels, np.minimum(np.arange(256) * (255 / container.white), 255).astype(np.uint8))
    if container.is_inverted:
        pixels = ~pixels if pixels.dtype.kind in "iu" else -pixels
    return pixels


def decode_frames(buffer: Buffer, container: Container, first: int, last: int, max_pixels: int) -> list[Page]:
    """Decode frames of an animation as a program would show them.

    Args:
        buffer: The file.
        container: What it holds; all frames have one size.
        first: The first frame, from 1.
        last: The last frame.
        max_pixels: Largest number of pixels that a frame may have.

    Returns:
        A grey image for each frame, or why there is none.
    """
    size = container.height_px, container.width_px
    check_side(*size)
    with reporting():
        with buffer.patched(container) as content:
            row = content[np.newaxis]  # OpenCV 4 reads WebP from a row alone
            _, animation = _heard(
                container.kind, lambda: cv2.imdecodeanimation(row, first - 1, last - first + 1)
            )
        greys: list[Page] = [_upright(to_grey(frame), container, max_pixels) for frame in animation.frames]
    missing = ImageError(Reason.DAMAGED, "the frame is missing")
    return greys + [missing] * (last - first + 1 - len(greys))


def _heard(kind: str, decode: Callable[[], _Decoded]) -> _Decoded:
    """Return what a decoder decodes, or fail if it complains.

    The decoders return an image for a file that is damaged inside, and only say so on stderr. Damage that is
    still a valid code (e.g. a flipped bit of a JPEG) stays unseen where a format has no checksums.

    In a program with threads, a decoder of another thread may complain meanwhile. So digitbox decodes again
    after a complaint: the decoder of a damaged file complains each time.
    """
    for _ in range(_HEARINGS):
        with stderr.capture() as messages, _log_warnings() if kind in _LOGGED else nullcontext():
            decoded = decode()
        if messages and _NO_MEMORY in messages[0]:
            raise MemoryError  # for `reporting`
        if not messages or not _COMPLAINT.search(messages[0]):
            return decoded
    raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")


def check_avif(data: bytes) -> None:
    """Check that the pixels of an AVIF are whole: of two decoders, only that of OpenCV complains of damage.

    The wheels of OpenCV for Windows have no decoder of AVIF. Then nothing is heard.

    Args:
        data: The whole file.

    Raises:
        ImageError: `damaged`.
    """
    with reporting():
        _heard("avif", lambda: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))


@contextmanager
def _log_warnings() -> Iterator[None]:
    """Let OpenCV print the warnings of its libraries, whatever level the user has set."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
