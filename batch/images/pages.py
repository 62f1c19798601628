"""The pages of a file: one image, the pages of a TIFF or a PDF, the frames of an animation."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from batch.errors import ImageError
from batch.images import codecs, formats, pdf, pdf_data, pixels
from batch.images.container import Container, check_side
from batch.images.pixels import Buffer, Page, Pages

FRAMES_BYTES = 128 << 20  # of frames that OpenCV decodes at a time; it begins each time at the first one
_FRAME_BYTES_PER_PIXEL = 4
_FRAMES_BYTES_PER_PIXEL = 8  # of frames at a time and of the limit: little more than one image needs


@contextmanager
def open_pages(data: bytes, max_pixels: int, *, full_size: bool) -> Iterator[Pages]:
    """Open a file; a `with` block holds what its decoder needs.

    Args:
        data: The whole file.
        max_pixels: Largest number of pixels that a page may have.
        full_size: Decode a large JPEG with all its pixels, too.

    Raises:
        ImageError: The file as a whole cannot be read. A page that cannot be read takes its place in `read`.
    """
    container = formats.parse(data, max_pixels)
    if container.kind == "pdf":
        with pdf.open_document(data) as document:
            sizes = pdf_data.image_sizes(data)
            yield Pages(len(document), lambda first: pdf.read_pages(document, sizes, first, max_pixels))
        return
    buffer = Buffer(data)
    if container.page_list:
        yield Pages(container.pages, lambda first: _listed(buffer, container, first, max_pixels))
    elif container.kind in codecs.KINDS:
        yield codecs.open_images(data, container, max_pixels)
    elif container.pages > 1:
        yield Pages(container.pages, lambda first: _frames(buffer, container, first, max_pixels))
    else:
        check_side(container.height_px, container.width_px)
        decoded = functools.partial(pixels.decode_page, buffer, container, max_pixels, full_size=full_size)
        yield Pages(1, lambda _: iter((decoded(),)))


def _listed(buffer: Buffer, container: Container, first: int, max_pixels: int) -> Iterator[Page]:
    for page in container.page_list[first - 1 :]:
        if isinstance(page, ImageError):
            yield page
            continue
        try:
            check_side(page.height_px, page.width_px)
            grey = pixels.decode_page(buffer, page, max_pixels)
        except ImageError as error:
            yield error
        else:
            yield grey


def _frames(buffer: Buffer, container: Container, first: int, max_pixels: int) -> Iterator[Page]:
    frame_bytes = container.width_px * container.height_px * _FRAME_BYTES_PER_PIXEL
    count = max(1, min(FRAMES_BYTES, _FRAMES_BYTES_PER_PIXEL * max_pixels) // frame_bytes)
    for start in range(first, container.pages + 1, count):
        last = min(container.pages, start + count - 1)
        try:
            greys = pixels.decode_frames(buffer, container, start, last, max_pixels)
        except ImageError as error:
            yield from [error] * (last - start + 1)
        else:
            yield from greys
