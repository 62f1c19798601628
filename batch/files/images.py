"""From a file to a grey image: hostile, huge and unfinished files become an `ImageError`."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat

import cv2
import numpy as np
import numpy.typing as npt

from batch import stderr
from batch.errors import ImageError
from batch.files import containers
from batch.records import Grey, Image, Reason, ScanRef

MIN_SIDE_PX = 4
# No format needs more bytes a pixel than 16-bit RGB with alpha; beside them, room for headers and profiles.
BYTES_PER_PIXEL = 8
SPARE_BYTES = 1 << 20

# Never follow a link, never wait for the writer of a pipe.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

# What is merely odd, such as a few bytes too many, is let pass.
_HOLE = re.compile(rb"premature end|bad huffman|corrupt data|instead of RST", re.IGNORECASE)


def read(ref: ScanRef, max_pixels: int) -> Image:
    """Reads and decodes a file, once.

    Args:
        ref: the file; if it was looked at before, it must be the same still.
        max_pixels: more are too many; checked before anything is decoded.

    Raises:
        ImageError: with the reason; with the SHA-256 too, where the bytes could be read.
    """
    data = _read_bytes(ref, max_pixels * BYTES_PER_PIXEL + SPARE_BYTES)
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        return Image(decode(data, max_pixels), sha256)
    except ImageError as error:
        error.sha256 = sha256
        raise


def decode(data: bytes, max_pixels: int) -> Grey:
    """Decodes the content of a file.

    Args:
        data: the whole file.
        max_pixels: more are too many.

    Returns:
        uint8 (height, width), upright where the file says how it was held. 16 bits are stretched to the
        whole range: few such files use all of it. What is transparent becomes a ground of the opposite
        brightness of the ink.

    Raises:
        ImageError: with the reason.
    """
    container = containers.inspect(data, max_pixels)
    size = container.height_px, container.width_px
    if container.pages > 1:
        raise ImageError(Reason.SEVERAL_PAGES, f"{container.pages} pages or frames: give one file for each")
    if min(size) < MIN_SIDE_PX:
        raise ImageError(Reason.TOO_SMALL, f"{size[1]} x {size[0]} pixels are too few for a digit")
    flags = cv2.IMREAD_UNCHANGED if container.has_alpha else cv2.IMREAD_ANYDEPTH
    try:
        if container.kind == "jpeg":
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


def _read_bytes(ref: ScanRef, max_bytes: int) -> bytes:
    try:
        descriptor = os.open(ref.path, _OPEN_FLAGS)
    except OSError as error:
        raise _not_opened(error) from error
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise ImageError(Reason.NOT_A_FILE, "a folder or a device")
        found = before.st_size, before.st_mtime_ns, before.st_ino
        if ref.size_bytes >= 0 and found != (ref.size_bytes, ref.mtime_ns, ref.inode):
            raise ImageError(Reason.CHANGED, "somebody replaced the file, or wrote to it")
        if before.st_size == 0:
            raise ImageError(Reason.EMPTY, "the file has no content")
        if before.st_size > max_bytes:
            raise ImageError(Reason.TOO_LARGE, f"{before.st_size} bytes are more than {max_bytes}")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            data = file.read(before.st_size + 1)
            while data and len(data) < before.st_size and (more := file.read(before.st_size - len(data))):
                data += more
        after = os.fstat(descriptor)
    except OSError as error:
        raise ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO)) from error
    finally:
        os.close(descriptor)
    if len(data) != before.st_size or (after.st_size, after.st_mtime_ns) != (
        before.st_size,
        before.st_mtime_ns,
    ):
        raise ImageError(Reason.CHANGED, "somebody wrote to the file while it was read")
    return data


def _not_opened(error: OSError) -> ImageError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ImageError(Reason.VANISHED, "the file is gone")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
        return ImageError(Reason.NOT_A_FILE, "a link, a folder or a device")
    return ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO))


def _decode_jpeg(data: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    """Decodes a JPEG; one cut inside, its end marker in place, would be an image, and only stderr be told.

    Damage that still is a valid code (a flipped bit) shows in no way: JPEG has no checksums.
    """
    with stderr.heard() as said:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if said and _HOLE.search(said[0]):
        raise ImageError(Reason.DAMAGED, "parts of its pixels are missing or damaged")
    return pixels


def _grey(pixels: npt.NDArray[np.generic]) -> Grey:
    if pixels.dtype == np.uint8 and pixels.ndim == 2:
        return np.asarray(pixels, np.uint8)
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        return _on_ground(np.asarray(pixels, np.uint8))
    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    return np.asarray(pixels, np.uint8)


def _stretched(pixels: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """16-bit or float pixels on 0 to 255; an alpha channel keeps its full range."""
    values = pixels.astype(np.float32)
    colours = values[..., :3] if values.ndim == 3 else values
    finite = np.isfinite(colours)
    if not finite.any():
        raise ImageError(Reason.DAMAGED, "its pixels are no numbers")
    low, high = float(colours[finite].min()), float(colours[finite].max())
    if low == high:  # only the alpha channel can show something
        low, high = 0.0, 65535.0
    scaled = np.clip((np.nan_to_num(values, nan=low) - low) * (255.0 / (high - low)), 0, 255)
    if values.ndim == 3 and values.shape[2] == 4:
        scaled[..., 3] = values[..., 3] * (255.0 / 65535.0)
    return np.asarray(np.rint(scaled), np.uint8)


def _on_ground(pixels: npt.NDArray[np.uint8]) -> Grey:
    """Puts what is drawn on transparent ground on paper: white, or black where it is drawn in light ink."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGRA2GRAY)
    alpha = pixels[..., 3].astype(np.float32) / 255.0
    weight = float(alpha.sum())
    if weight >= alpha.size - 0.5:
        return np.asarray(grey, np.uint8)
    brightness = float((grey * alpha).sum()) / weight if weight > 0 else 0.0
    ground = 0.0 if brightness > 127 else 255.0
    return np.asarray(np.rint(ground + (grey - ground) * alpha), np.uint8)
