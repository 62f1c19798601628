"""Pixels: from what a file holds to a grey image, and from an array to a grey image."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import colour, extra, orientation, transparency
from batch.images.completeness import Container, check_size
from batch.records import Grey, Reason
from batch.terminal import stderr

MIN_SIDE_PX = 4

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
_NO_MEMORY = b"(-4:"  # OpenCV prints some errors instead of raising them


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
            yield self._content[slice(*container.span)] if container.span else self._content
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


def check_side(height_px: int, width_px: int) -> None:
    """Check that an image is not too small for a digit.

    Raises:
        ImageError: `too_small`.
    """
    if min(height_px, width_px) < MIN_SIDE_PX:
        raise ImageError(Reason.TOO_SMALL, f"{width_px} x {height_px} pixels are too few for a digit")


@contextmanager
def reporting() -> Iterator[None]:
    """Turn errors of OpenCV and a lack of memory into an `ImageError`."""
    try:
        yield
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels") from error
        raise ImageError(Reason.DAMAGED, f"cannot be decoded: {error.err}") from error
    except MemoryError as error:
        raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels") from error


def _decode(buffer: Buffer, container: Container, full_size: bool) -> Grey:
    """Decode a file to grey as its pixels lie."""
    size = container.height_px, container.width_px
    if container.needs_extra:
        return to_grey(extra.decode(buffer.data, container))
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
    with buffer.patched(container) as content, _hearing(container.kind):
        pixels = cv2.imdecode(content, flags)
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
    with reporting(), buffer.patched(container) as content, _hearing(container.kind):
        _, animation = cv2.imdecodeanimation(content, first - 1, last - first + 1)
    with reporting():
        greys: list[Page] = [_upright(to_grey(frame), container, max_pixels) for frame in animation.frames]
    missing = ImageError(Reason.DAMAGED, "the frame is missing")
    return greys + [missing] * (last - first + 1 - len(greys))


@contextmanager
def _hearing(kind: str) -> Iterator[None]:
    """Fail if a decoder complains.

    The decoders return an image for a file that is damaged inside, and only say so on stderr. Damage that is
    still a valid code (e.g. a flipped bit of a JPEG) stays unseen where a format has no checksums.
    """
    with stderr.capture() as messages:
        if kind in _LOGGED:
            with _log_warnings():
                yield
        else:
            yield
    if messages and _NO_MEMORY in messages[0]:
        raise ImageError(Reason.NO_MEMORY, "there is too little memory for its pixels")
    if messages and _COMPLAINT.search(messages[0]):
        raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")


def check_avif(data: bytes) -> None:
    """Check that the pixels of an AVIF are whole: of two decoders, only that of OpenCV complains of damage.

    The wheels of OpenCV for Windows have no decoder of AVIF. Then nothing is heard.

    Args:
        data: The whole file.

    Raises:
        ImageError: `damaged`.
    """
    with reporting(), _hearing("avif"):
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


@contextmanager
def _log_warnings() -> Iterator[None]:
    """Let OpenCV print the warnings of its libraries, whatever level the user has set."""
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
        Array of uint8 (height, width), 0 black to 255 white; see `decode.decode`.

    Raises:
        ImageError: It has too few pixels or too many, or they are not numbers.
    """
    height, width = pixels.shape[:2]
    if not pixels.size:
        raise ImageError(Reason.EMPTY, "the array has no pixels")
    check_size(width, height, max_pixels)
    check_side(height, width)
    if pixels.dtype == np.bool_ or (pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1):
        pixels = np.rint(pixels.astype(np.float32) * 255).astype(np.uint8)
    return to_grey(pixels.copy() if pixels.ndim == 3 else pixels)  # they are the program's own


def to_grey(pixels: npt.NDArray[np.generic], alpha: Grey | None = None) -> Grey:
    """Convert decoded pixels of any type and number of channels to grey, uint8 (height, width).

    Args:
        pixels: The pixels; dark ones with colours are inverted where they lie.
        alpha: uint8 (height, width), 0 where a grey pixel is transparent; None if none is.
    """
    # A large scan takes much memory, so each step keeps as few bytes and channels as it can.
    if pixels.dtype not in (np.uint8, np.uint16):
        with np.errstate(over="ignore"):  # a larger float becomes infinite
            pixels = pixels.astype(np.float32)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        alpha = _opacity(pixels)
    is_integer = pixels.ndim == 3 and pixels.dtype != np.float32
    is_inverted = is_integer and (alpha is None or bool(alpha.any())) and colour.is_dark(pixels)
    if is_inverted:
        colour.invert(pixels)
    if pixels.ndim == 2:
        grey = np.asarray(pixels if pixels.dtype == np.uint8 else _stretch(pixels), np.uint8)
    else:
        levels = _stretch_colours(pixels)
        grey = colour.to_grey(
            cv2.cvtColor(levels, cv2.COLOR_BGRA2BGR) if levels.shape[2] == 4 else levels, alpha
        )
    if alpha is not None:
        grey = transparency.put_on_paper(grey, alpha)
    return ~grey if is_inverted else grey


def _opacity(pixels: npt.NDArray[np.generic]) -> Grey:
    """Return the fourth channel of an image as bytes."""
    opacity = cv2.extractChannel(pixels, 3)
    return _to_bytes(opacity, 0, 65535.0 if opacity.dtype == np.uint16 else max(1.0, float(opacity.max())))


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
    if high - low > float(np.finfo(np.float32).max):  # a damaged float may be as large as floats are
        values, low, high = values / np.float32(2), low / 2, high / 2
    values -= low
    values *= 255.0 / (high - low)
    return np.asarray(np.rint(np.clip(values, 0, 255, out=values), out=values), np.uint8)
