"""PDF: each page drawn by PDFium as large as its scan is.

PDFium draws a page of one image at the size of that image, so its pixels stay as they are. It knows turned,
mirrored, cropped and masked images, and those that are cut into strips. Pages without an image are drawn with
300 dots an inch.
"""

from __future__ import annotations

import ctypes
import hashlib
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from batch.errors import ImageError
from batch.images import pdf_data
from batch.images.container import (
    Container,
    check_pages,
    check_side,
    check_size,
    raise_damaged,
    raise_truncated,
)
from batch.images.grey import to_grey
from batch.images.pdf_data import ImageSizes
from batch.images.pixels import Page, reporting
from batch.records import Grey, Reason
from batch.terminal import stderr

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument

START = b"%PDF-"
_END, _END_BYTES = b"%%EOF", 2048  # bytes at the end of a file in which its last line must be
_LINEAR_BYTES = 1024  # in which a file made for the web gives its length
_LINEAR = re.compile(rb"/Linearized\b.*?/L\s+(\d+)", re.DOTALL)
_GREYS = (0, 1, 4)  # PDFium's numbers for colour spaces: none said, grey, calibrated grey
# PDFium does not open such a file. An outline may have a count of 0, too.
_NO_PAGES = re.compile(rb"/Type\s*/Pages\b[^>]{0,200}/Count\s+0\b|/Count\s+0\b[^>]{0,200}/Type\s*/Pages\b")
_PASSWORD, _SECURITY = 4, 5  # PDFium's codes for an encrypted file

POINTS_PER_INCH = 72
VECTOR_DPI = 300  # for a page without a scan
MAX_VECTOR_PIXELS = 20_000_000  # of such a page; A3 has 17 million
MAX_DPI = 1200  # a small picture on a large page, e.g. a logo, is no reason to draw more
MIN_SCAN_FRACTION = 0.25  # of the page that images cover, if it is a scan
MAX_OBJECTS = 2000  # of a page, at which digitbox looks to find its images
MAX_NESTING = 4


_Checked = set[tuple[bytes, tuple[str, ...], int, int]]
"""Images by the digest of their data, their filters, width and height."""


class _Drawing(NamedTuple):
    """What digitbox must know of a page to draw it.

    Attributes:
        dpi: Dots an inch, horizontally and vertically.
        has_scan: True if images cover much of it.
        has_colours: True if something on it may have a colour.
    """

    dpi: float
    has_scan: bool
    has_colours: bool


class _Drawn(NamedTuple):
    """An image on a page.

    Attributes:
        area: Its area in square points.
        dpi: Dots an inch.
        is_ink: True if it is a stencil, or has a mask that is finer than itself, and the page may be as fine.
    """

    area: float
    dpi: float
    is_ink: bool


def parse(data: bytes, max_pixels: int) -> Container:
    """Check that the file goes on to its last line; see `formats.parse`. PDFium parses it later."""
    found = _LINEAR.search(data[:_LINEAR_BYTES])
    if found is not None and int(found[1][:20]) > len(data):
        raise_truncated("a PDF is cut off")
    if _END not in data[-_END_BYTES:]:
        raise_truncated("the end of a PDF is missing")
    return Container("pdf", 1, 1)


@contextmanager
def open_document(data: bytes) -> Iterator[PdfDocument]:
    """Open a PDF.

    Args:
        data: The whole file.

    Raises:
        ImageError: `encrypted`, `damaged`, `too_large` or `empty`.
    """
    import pypdfium2  # takes a while, and most runs have no PDF

    # PDFium keeps global state, so one thread uses it at a time. Images in a PDF need stderr's turn: a thread
    # with a lock of PDFium alone would wait for one that has the turn, and that one for the lock.
    with stderr.turn:
        with suppress(pypdfium2.PdfiumError):  # a file may leave PDFium's last error as it was
            pypdfium2.PdfDocument(b"")
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            if error.err_code in (_PASSWORD, _SECURITY):
                raise ImageError(Reason.ENCRYPTED, "a PDF with a password: save it without one") from error
            if _NO_PAGES.search(data):
                raise ImageError(Reason.EMPTY, "a PDF without a page") from error
            raise ImageError(Reason.DAMAGED, f"cannot be opened: {error}") from error
        try:
            check_pages(len(document))
            if not len(document):
                raise ImageError(Reason.EMPTY, "a PDF without a page")
            yield document
        finally:
            document.close()


def read_pages(document: PdfDocument, sizes: ImageSizes, first: int, max_pixels: int) -> Iterator[Page]:
    """Draw the pages of a PDF, one after the other.

    Args:
        document: The open file.
        sizes: What only the dictionaries of images say, see `pdf_data.image_sizes`.
        first: The page to begin with, from 1.
        max_pixels: Largest number of pixels that a page may have.

    Yields:
        A page, uint8 (height, width), 0 black to 255 white, or why it cannot be read.
    """
    import pypdfium2

    checked: _Checked = set()
    for place in range(first - 1, len(document)):
        try:
            page = document[place]
            try:
                with reporting():
                    grey = _draw(page, sizes, max_pixels, checked)
            finally:
                page.close()
        except ImageError as error:
            yield error
        except pypdfium2.PdfiumError as error:
            yield ImageError(Reason.DAMAGED, f"cannot be read: {error}")
        else:
            yield grey


def _draw(page: Any, sizes: ImageSizes, max_pixels: int, checked: _Checked) -> Grey:
    """Draw a page in grey; in colour if it has colours, as the grey of PDFium is cut off, not rounded."""
    drawing = _examine(page, sizes, max_pixels, checked)
    sides_pt = page.get_size()
    dpi = drawing.dpi
    if not drawing.has_scan:  # lines can be drawn smaller
        dpi = min(dpi, POINTS_PER_INCH * math.sqrt(MAX_VECTOR_PIXELS / (sides_pt[0] * sides_pt[1])))
    width, height = (max(1, round(side * dpi / POINTS_PER_INCH)) for side in sides_pt)
    check_size(width, height, max_pixels)
    check_side(height, width)
    return to_grey(_render(page, width, height, is_grey=not drawing.has_colours))


def _render(page: Any, width: int, height: int, *, is_grey: bool) -> npt.NDArray[np.uint8]:
    """Return a page as pixels of (height, width), or (height, width, 3): blue, green, red."""
    from pypdfium2 import PdfBitmap, raw

    kind, flags = raw.FPDFBitmap_BGR, raw.FPDF_ANNOT
    if is_grey:
        kind, flags = raw.FPDFBitmap_Gray, flags | raw.FPDF_GRAYSCALE
    bitmap = PdfBitmap.new_native(width, height, kind)
    try:
        bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
        raw.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, flags)
        pixels = bitmap.to_numpy()
        return np.array(pixels.reshape((height, width) if is_grey else (height, width, 3)))
    finally:
        bitmap.close()


def _examine(page: Any, sizes: ImageSizes, max_pixels: int, checked: _Checked) -> _Drawing:
    """Find the images of a page, check them, and return how to draw it."""
    from pypdfium2 import raw

    width_pt, height_pt = page.get_size()
    page_area = width_pt * height_pt
    if not page_area > 0:
        raise_damaged("a PDF page without a size")
    images: list[_Drawn] = []
    has_colours = has_lines = False
    for count, (item, matrix) in enumerate(_objects(page)):
        if count >= MAX_OBJECTS:
            has_lines = has_colours = True
            break
        if item.type == raw.FPDF_PAGEOBJ_IMAGE:
            found = raw.FPDF_IMAGEOBJ_METADATA()
            if not raw.FPDFImageObj_GetImageMetadata(item, page, ctypes.byref(found)):
                continue
            check_size(found.width, found.height, max_pixels)
            across, down = math.hypot(matrix.a, matrix.b), math.hypot(matrix.c, matrix.d)  # in points
            if across > 0 and down > 0:
                size = found.width, found.height
                width, height = map(max, size, sizes.masks.get(size, size))  # a mask may be finer
                dpi = POINTS_PER_INCH * max(width / across, height / down)
                is_stencil = found.bits_per_pixel == 1 and found.colorspace == raw.FPDF_COLORSPACE_UNKNOWN
                is_ink = is_stencil or (width, height) != size
                fits = page_area * (dpi / POINTS_PER_INCH) ** 2 <= max_pixels
                images.append(_Drawn(across * down, dpi, is_ink and fits))
            has_colours |= found.bits_per_pixel > 8 or found.colorspace not in _GREYS
            _check_image(item, found, sizes, max_pixels, checked)
        elif item.type in (raw.FPDF_PAGEOBJ_PATH, raw.FPDF_PAGEOBJ_SHADING):
            has_lines = has_colours = True
        elif item.type == raw.FPDF_PAGEOBJ_TEXT:
            mode = raw.FPDFTextObj_GetTextRenderMode(item)
            if mode != raw.FPDF_TEXTRENDERMODE_INVISIBLE:  # the text that a scanner has found is
                has_lines = has_colours = True
    has_scan = sum(image.area for image in images) >= MIN_SCAN_FRACTION * page_area
    dpi = _resolution(images, page_area, has_lines=has_lines) if has_scan else VECTOR_DPI
    return _Drawing(dpi, has_scan, has_colours)


def _objects(page: Any, form: Any = None, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """Yield what is drawn on a page, each with its matrix: an image is a unit square before it."""
    from pypdfium2 import raw

    outer = None if form is None else form[1]
    for item in page.get_objects(max_depth=1, form=None if form is None else form[0]):
        matrix = item.get_matrix() if outer is None else item.get_matrix().multiply(outer)
        if item.type != raw.FPDF_PAGEOBJ_FORM:
            yield item, matrix
        elif depth < MAX_NESTING:
            yield from _objects(page, (item, matrix), depth + 1)


def _resolution(images: list[_Drawn], page_area: float, *, has_lines: bool) -> float:
    """Return with how many dots an inch to draw a page with a scan.

    Args:
        images: Its images.
        page_area: Area of the page in square points.
        has_lines: True if something else is on the page.
    """
    largest = max(images)  # a scanner may cut its image into strips, and the ink to the writing
    counted = [image for image in images if image.is_ink or image.area >= MIN_SCAN_FRACTION * page_area]
    dpi = max(image.dpi for image in (largest, *counted))
    return min(MAX_DPI, max(dpi, VECTOR_DPI) if has_lines else dpi)


def _check_image(item: Any, found: Any, sizes: ImageSizes, max_pixels: int, checked: _Checked) -> None:
    """Check that the data of an image are whole, and that PDFium draws them right.

    Args:
        item: The image.
        found: Its metadata.
        sizes: What only the dictionaries of images say.
        max_pixels: Largest number of pixels that it may have.
        checked: The images whose data are whole; this one joins them. Pages may draw an image very often.
    """
    try:
        filters = item.get_filters()
    except UnicodeDecodeError as error:
        raise ImageError(Reason.DAMAGED, "the filter of an image has no name") from error
    if not pdf_data.FILTERS.issuperset(filters):  # PDFium leaves such an image out
        raise_damaged("the filter of an image is unknown")
    is_misread = (found.width, found.height) in sizes.misread and found.bits_per_pixel != 1
    if is_misread and not pdf_data.PREDICTED.isdisjoint(filters):
        raise ImageError(Reason.UNSUPPORTED, "2 or 4 bits with TIFF's predictor: save it as PNG")
    content = bytes(item.get_data(decode_simple=False))
    image = hashlib.sha256(content).digest(), tuple(filters), found.width, found.height
    if image not in checked:
        pdf_data.check_data(content, filters, found.width, found.height, max_pixels)
        checked.add(image)
