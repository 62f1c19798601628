"""The reading of files: their bytes once, their digest, and a grey image of each page."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import TypeVar

from batch.errors import ImageError
from batch.images import pages
from batch.images.container import max_bytes
from batch.records import Beat, Grey, Image, Reason, ScanRef
from batch.storage import dispatch

CHUNK_BYTES = 4 << 20  # of files, read before digitbox decodes them; of pixels, decoded before it yields them

Read = tuple[ScanRef, Image | ImageError]
"""A page of a file as it was when digitbox read it: its image, or the error that says why there is none."""


def read(ref: ScanRef, max_pixels: int, page: int = 0, *, full_size: bool = False) -> Image:
    """Read a file once, and decode it or one of its pages.

    Args:
        ref: The file. If it has been identified, it must not have changed since.
        max_pixels: Largest number of pixels that the image may have; checked before the pixels are decoded.
        page: The page, from 1; 0 for a file of one page.
        full_size: Decode a large JPEG with all its pixels, e.g. of a sheet of many digits.

    Raises:
        ImageError: The file has no usable image. The error has the reason, and the SHA-256 of the bytes if
            they could be read.
        InputError: Object storage cannot be read.
    """
    ((_, content),) = dispatch.read_contents([ref], max_bytes(max_pixels))
    if page:
        missing = ImageError(Reason.UNSUPPORTED, f"it has no page {page}")
        # Python drops Ctrl-C while it closes an iterator by itself.
        with contextlib.closing(decode_pages(content, max_pixels, first=page, full_size=full_size)) as found:
            image = next(found, missing)
    else:
        (image,) = decode_pages(content, max_pixels, max_pages=1, full_size=full_size)
    if isinstance(image, ImageError):
        raise image
    return image


def read_pages(ref: ScanRef, max_pixels: int, first: int = 1, beat: Beat = lambda: None) -> Iterator[Read]:
    """Read a file once, and decode its pages one after the other.

    Args:
        ref: The file; see `read`.
        max_pixels: Largest number of pixels that a page may have.
        first: The page to begin with.
        beat: A function that it calls again and again while it reads the file.

    Yields:
        If the file has several pages, first an error that says so, with their number. Then each page, or why
        it cannot be read. If the whole file cannot be read, there is one error without a page.

    Raises:
        InputError: Object storage cannot be read.
    """
    ((ref, content),) = dispatch.read_contents([ref], max_bytes(max_pixels), beat)
    for page in decode_pages(content, max_pixels, first=first, is_announced=True):
        yield ref, page


def read_all(
    refs: Iterable[ScanRef], max_pixels: int, max_pages: int, beat: Beat = lambda: None
) -> Iterator[Read]:
    """Read and decode the pages of files in their order; fetch many objects of a store at the same time.

    digitbox reads a chunk of files before it decodes them. A processor's cache has room for the instructions
    of one of these steps: if they took turns, each small file would take half as long again.

    Args:
        refs: The files; see `read`.
        max_pixels: Largest number of pixels that an image may have.
        max_pages: A file of more pages gives one error instead, `several_pages`.
        beat: A function that it calls again and again while it reads files.

    Yields:
        A page with its image, or with the error that it has none. digitbox decodes it when it is asked for.

    Raises:
        InputError: Object storage cannot be read any more.
    """
    contents = dispatch.read_contents(refs, max_bytes(max_pixels), beat)
    for chunk in _chunks(contents, lambda content: len(content[1]) if isinstance(content[1], bytes) else 0):
        for ref, content in chunk:
            for page in decode_pages(content, max_pixels, max_pages=max_pages):
                yield ref, page


def in_chunks(images: Iterable[Read]) -> Iterator[list[Read]]:
    """Yield decoded pages in chunks, each of as few pages as reach `CHUNK_BYTES` of pixels.

    Args:
        images: Each page with its image, or with the error that it has none.
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
    """Decode the content of a file of one page, if there is any.

    Args:
        content: The whole file, or why it could not be read.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        The image with the digest of its file, or why there is none: `several_pages` for several pages.
    """
    (image,) = decode_pages(content, max_pixels, max_pages=1)
    return image


def decode_pages(
    content: bytes | ImageError,
    max_pixels: int,
    *,
    first: int = 1,
    max_pages: int | None = None,
    is_announced: bool = False,
    full_size: bool = False,
) -> Generator[Image | ImageError, None, None]:
    """Decode the pages of a file, one after the other.

    Args:
        content: The whole file, or why it could not be read.
        max_pixels: Largest number of pixels that a page may have.
        first: The page to begin with.
        max_pages: A file of more pages gives one error instead, `several_pages`; None for no limit.
        is_announced: Before the pages of a file of several, give the error `several_pages` with their number.
        full_size: Decode a large JPEG with all its pixels, too.

    Yields:
        A page with its number and the digest of its file, or why it cannot be read. If the file as a whole
        cannot be read, there is one error without a page.
    """
    if isinstance(content, ImageError):
        yield content
        return
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        with pages.open_pages(content, max_pixels, full_size=full_size) as file:
            count = file.count
            is_too_long = max_pages is not None and count > max_pages
            if is_too_long or (is_announced and count > 1):
                yield ImageError(
                    Reason.SEVERAL_PAGES, f"it has {count} pages: choose one", sha256, pages=count
                )
            if is_too_long or first > count:
                return
            if count == 1:
                (page,) = file.read(1)
                if isinstance(page, ImageError):
                    raise page
                yield Image(page, sha256)
                return
            for number, page in enumerate(file.read(first), first):
                if isinstance(page, ImageError):
                    yield ImageError(page.reason, page.detail, sha256, number, count, page.extra)
                else:
                    yield Image(page, sha256, number, count)
    except ImageError as error:
        # The error that was raised keeps the pixels alive through its traceback, so digitbox makes a new one.
        yield ImageError(error.reason, error.detail, sha256, extra=error.extra)


def decode(data: bytes, max_pixels: int) -> Grey:
    """Decode the content of a file of one page.

    Args:
        data: The whole file.
        max_pixels: Largest number of pixels that the image may have.

    Returns:
        Array of uint8 (height, width), 0 black to 255 white, upright if the file says how to turn it. A large
        JPEG comes at a fraction of its size. In 16 bits, white is the highest level of the fewest bits that
        hold all pixels, because few such files use the whole range. Transparent pixels become paper: white,
        or black under light ink.

    Raises:
        ImageError: The file has no usable image; the error has the reason.
    """
    image = decode_content(data, max_pixels)
    if isinstance(image, ImageError):
        raise image
    return image.grey
