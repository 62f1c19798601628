"""The data of an image in a PDF: the check that all of them are there, and what only their dictionaries say.

PDFium draws what is left of damaged data without a word, and does not say how many bits a pixel has in them.
Nor does it say the size of a mask, which has the ink if a scanner has divided the page into ink and paper.
It undoes the predictor of TIFF only for pixels of 1, 8 or 16 bits. Those of 2 or 4 bits become noise.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from batch.errors import ImageError
from batch.images import jpeg, jpeg2000
from batch.images.container import max_bytes, raise_damaged, raise_truncated, reading_structure
from batch.images.pixels import Buffer, decode_page
from batch.records import Reason

_HEX, _BASE_85 = ("ASCIIHexDecode", "AHx"), ("ASCII85Decode", "A85")
_FLATE, _DCT, _JPX = ("FlateDecode", "Fl"), ("DCTDecode", "DCT"), ("JPXDecode",)
_LZW = "LZWDecode", "LZW"
_UNDONE_BY_PDFIUM = (*_LZW, "RunLengthDecode", "RL", "Crypt")
_FAX = ("CCITTFaxDecode", "CCF", "JBIG2Decode")
FILTERS = frozenset((*_HEX, *_BASE_85, *_FLATE, *_DCT, *_JPX, *_UNDONE_BY_PDFIUM, *_FAX))
"""The filters that PDFium knows."""
PREDICTED = frozenset((*_FLATE, *_LZW))
"""The filters that may have a predictor."""

_MASK = re.compile(rb"/S?Mask\s+(\d{1,10})\s+\d{1,5}\s+R\b")
_TIFF_PREDICTOR = re.compile(rb"<<[^<>]{0,300}/Predictor\s+2\b[^<>]{0,300}>>")  # differences of pixels
_PARAMETERS = re.compile(rb"/DecodeParms\s{0,9}\[?\s{0,9}(?:null\s{1,9}){0,9}(\d{1,10})\s+\d{1,5}\s+R\b")
_SMALL_PIXELS = re.compile(rb"/BitsPerComponent\s+[24]\b")
_OBJECT, _NUMBER = re.compile(rb" obj\b"), re.compile(rb"(\d{1,10})\s+\d{1,5}$")
_WIDTH, _HEIGHT = (re.compile(rb"/%s\s+(\d{1,10})\b(?!\s+\d+\s+R)" % side) for side in (b"Width", b"Height"))
_MAX_MASKS = _MAX_PREDICTORS = 100_000
_DICTIONARY_BYTES, _NUMBER_BYTES = 2048, 20  # of an image, and before the word obj, at most

_NO_HEX, _SPACE = re.compile(rb"[^0-9A-Fa-f]"), b"\0\t\n\f\r "
_POWERS_OF_85 = np.array([85**4, 85**3, 85**2, 85, 1], np.uint32)
_CHUNK_BYTES = 1 << 20


Size = tuple[int, int]
"""Width and height in pixels."""


class ImageSizes(NamedTuple):
    """The sizes of images of which PDFium does not say enough.

    Attributes:
        masks: The sizes of masks by those of their images. Of several for one size, the largest counts.
        misread: The sizes of images that PDFium draws as noise. They have one of the filters `PREDICTED`.
    """

    masks: Mapping[Size, Size]
    misread: frozenset[Size]


def image_sizes(data: bytes) -> ImageSizes:
    """Return the sizes of images of which PDFium does not say enough, from their dictionaries.

    These are always readable: what has a stream of its own never lies in a compressed one.

    Args:
        data: The whole file.
    """
    return ImageSizes(_mask_sizes(data), _misread_sizes(data))


def _mask_sizes(data: bytes) -> dict[Size, Size]:
    masked = list(islice(_MASK.finditer(data), _MAX_MASKS)) if b"Mask" in data else []
    if not masked:
        return {}
    masks = {int(found[1]) for found in masked}
    starts = {number: start for number, start in _objects(data) if number in masks}
    sizes: dict[Size, Size] = {}
    for found in masked:
        image, mask = _size(data, _object_of(data, found)), _size(data, starts.get(int(found[1]), -1))
        if image and mask:
            sizes[image] = max(mask, sizes.get(image, mask))
    return sizes


def _misread_sizes(data: bytes) -> frozenset[Size]:
    found = islice(_TIFF_PREDICTOR.finditer(data), _MAX_PREDICTORS) if b"Predictor" in data else ()
    starts = {_object_of(data, parameters) for parameters in found if _SMALL_PIXELS.search(parameters[0])}
    # The parameters of an image may be an object of their own.
    numbers = {_number(data, start) for start in starts} - {None}
    references = islice(_PARAMETERS.finditer(data), _MAX_PREDICTORS) if numbers else ()
    starts |= {_object_of(data, reference) for reference in references if int(reference[1]) in numbers}
    return frozenset(filter(None, (_size(data, start) for start in starts)))


def _objects(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the number of each object of the file, and where its content begins."""
    for found in _OBJECT.finditer(data):
        number = _number(data, found.start() + 1)
        if number is not None:
            yield number, found.end()


def _object_of(data: bytes, found: re.Match[bytes]) -> int:
    """Return where the word obj stands of the object that has what was found; -1 if it is far away."""
    return data.rfind(b"obj", max(0, found.start() - _DICTIONARY_BYTES), found.start())


def _number(data: bytes, start: int) -> int | None:
    """Return the number of an object, from where its word obj stands; None if it has none."""
    end = max(0, start - 1)
    number = _NUMBER.search(data, max(0, end - _NUMBER_BYTES), end)
    return int(number[1]) if number else None


def _size(data: bytes, start: int) -> Size | None:
    """Return the size in the dictionary of an image; None if there is none."""
    end = data.find(b"stream", start, start + _DICTIONARY_BYTES) if start >= 0 else -1
    if end < 0 or data.find(b"endobj", start, end) >= 0:
        return None
    width, height = _WIDTH.search(data, start, end), _HEIGHT.search(data, start, end)
    return (int(width[1]), int(height[1])) if width and height else None


def check_data(
    content: bytes, filters: Sequence[str], width_px: int, height_px: int, max_pixels: int
) -> None:
    """Check that the data of an image are whole, as far as digitbox knows their filters.

    Args:
        content: The data as they are in the file.
        filters: What to undo, the first one first.
        width_px: Width of the image.
        height_px: Height of the image.
        max_pixels: Largest number of pixels that it may have.

    Raises:
        ImageError: `truncated` or `damaged`.
    """
    limit_bytes = max_bytes(width_px * height_px)
    for name in filters:
        if name in _HEX:
            digits = _NO_HEX.sub(b"", content.partition(b">")[0]).decode()
            content = bytes.fromhex(digits + "0" * (len(digits) % 2))
        elif name in _BASE_85:
            content = _from_base_85(content, limit_bytes)
        elif name in _FLATE:
            content = _inflate(content, limit_bytes)
        else:
            _check_code(content, name, max_pixels)
            return
    if len(content) < (width_px + 7) // 8 * height_px:  # of one bit a pixel; no image has fewer
        raise_truncated("the data of an image are cut off")


def _check_code(content: bytes, name: str, max_pixels: int) -> None:
    with reading_structure():
        if name in _DCT:
            decode_page(Buffer(content), jpeg.parse(content, max_pixels), max_pixels)
        elif name in _JPX:
            try:
                jpeg2000.parse(content, max_pixels)
            except ImageError as error:
                if error.reason is not Reason.UNSUPPORTED:  # PDFium knows palettes and inks
                    raise


def _from_base_85(content: bytes, limit_bytes: int) -> bytes:
    text = content.partition(b"~")[0].translate(None, _SPACE)
    if len(text) + 4 * text.count(b"z") > 2 * limit_bytes:
        raise_damaged("an image has more data than its pixels need")
    text = text.replace(b"z", b"!!!!!")
    missing = -len(text) % 5
    digits = np.frombuffer(text + b"u" * missing, np.uint8).astype(np.uint32).reshape(-1, 5) - 33
    words = (digits * _POWERS_OF_85).sum(axis=1, dtype=np.uint32)
    return words.astype(">u4").tobytes()[: len(words) * 4 - missing]


def _inflate(content: bytes, limit_bytes: int) -> bytes:
    """Return what Flate has compressed, and stop after `limit_bytes`; its checksum may be missing."""
    header, stream = zlib.decompressobj(), zlib.decompressobj(-zlib.MAX_WBITS)
    pixels, rest = bytearray(), content[2:]
    try:
        header.decompress(content[:2])
        while not stream.eof and len(pixels) <= limit_bytes:
            part = stream.decompress(rest, _CHUNK_BYTES)
            rest = stream.unconsumed_tail
            if not part and not rest and not stream.eof:
                raise_truncated("the data of an image are cut off")
            pixels += part
    except zlib.error as error:
        raise ImageError(Reason.DAMAGED, "the data of an image are damaged") from error
    checksum = stream.unused_data[:4]
    if len(checksum) == 4 and int.from_bytes(checksum, "big") != zlib.adler32(pixels):
        raise_damaged("the data of an image are damaged")
    return bytes(pixels)
