"""The structure of a TIFF: directories of tags, one a page, that say where the pixels are."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from operator import add

from batch.errors import ImageError
from batch.images import orientation, webp
from batch.images import tiff_directory as tag
from batch.images.completeness import ZERO_RUN_BYTES, check_compressed, check_pixels, zero_tail
from batch.images.container import Container, check_pages, check_size, raise_damaged, raise_truncated
from batch.images.tiff_directory import Tags, Walk
from batch.records import Reason

_UNCOMPRESSED, _FAX, _JPEG = 1, frozenset((2, 3, 4)), 7
# Fax, LZW, JPEG, deflate and PackBits; OpenCV's TIFF library decodes no others.
_DECODABLE = frozenset((_UNCOMPRESSED, *_FAX, 5, 7, 8, 32773, 32946))
# LZMA, Zstandard and WebP. `imagecodecs` decodes JPEG (old, new, 2000, XL), too, but it passes over damage.
_WEBP = frozenset((34927, 50001))
_DECODABLE_WITH_EXTRA = frozenset((34925, 34926, 50000, *_WEBP))
_DEPTHS = {1: (1, 8, 10, 12, 14, 16, 32), 2: (8, 16, 32), 3: (32, 64)}  # that OpenCV reads, by sample format
_MIN_TILE_BYTES = 1024  # OpenCV refuses smaller ones that are not compressed
_WHITE_IS_ZERO, _GREY, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_MAX_DIRECTORIES_PER_PAGE = 4  # a page may have a preview, a mask, and a preview of that
_PREVIEW, _MASK, _OLD_PREVIEW = 1, 4, 2  # of NewSubfileType (bits) and of SubfileType


def parse(data: bytes, max_pixels: int) -> Container:
    """Walk over all pages; see `formats.parse`. An error of one of several pages stands for that page."""
    walk = Walk(data)
    (first_offset,) = walk.unpack(walk.layout.offset, walk.layout.first_offset)
    offset, seen = first_offset, set()
    pages: list[Container | ImageError] = []
    if not offset:
        raise_damaged("a TIFF without a page")
    while offset:
        if offset in seen:
            raise_damaged("the pages of a TIFF form a circle")
        seen.add(offset)
        check_pages(len(seen) // _MAX_DIRECTORIES_PER_PAGE)
        start = offset
        tags, offset = walk.directory(offset)
        if not _is_no_page(tags):
            check_pages(len(pages) + 1)
            pages.append(_page_or_error(walk, tags, start, max_pixels))
    if not pages:  # a file that holds nothing but a preview is its picture
        tags, _ = walk.directory(first_offset)
        if tag.INNER_DIRECTORIES in tags:
            raise ImageError(Reason.UNSUPPORTED, "a raw photo: convert it to JPEG, PNG or TIFF")
        pages = [_page_or_error(walk, tags, first_offset, max_pixels)]
    if len(pages) == 1:
        if isinstance(pages[0], ImageError):
            raise pages[0]
        return pages[0]
    ends_in_zeros = zero_tail(data, 0, len(data)) >= ZERO_RUN_BYTES
    for page in pages:
        if isinstance(page, ImageError) and page.reason is Reason.DAMAGED and ends_in_zeros:
            raise page  # a copy that was not finished
    return Container("tiff", 1, 1, pages=len(pages), page_list=tuple(pages))


def _page_or_error(walk: Walk, tags: Tags, offset: int, max_pixels: int) -> Container | ImageError:
    """Return what the page at an offset holds, or why it cannot be read.

    Raises:
        ImageError: `truncated`, as no page of such a file can be trusted.
    """
    try:
        page = _page(walk, tags, offset, max_pixels)
    except ImageError as error:
        if error.reason is Reason.TRUNCATED:
            raise
        return error.with_traceback(None)
    patches = walk.upright(offset) if page.orientation != 1 else ()
    if walk.unpack(walk.layout.offset, walk.layout.first_offset)[0] != offset:
        address = struct.pack(walk.order + walk.layout.offset, offset)
        patches = (*patches, (walk.layout.first_offset, address))
    return replace(page, page_offset=offset, patches=patches)


def _is_no_page(tags: Tags) -> bool:
    """Return whether a directory holds a preview or a mask of another page."""
    kind, old_kind = _first(tags, tag.NEW_SUBFILE, 0), _first(tags, tag.OLD_SUBFILE, 0)
    return bool(kind & (_PREVIEW | _MASK)) or old_kind == _OLD_PREVIEW


def _first(tags: Tags, number: int, default: int) -> int:
    return int(tags.get(number, (default,))[0])


def _page(walk: Walk, tags: Tags, offset: int, max_pixels: int) -> Container:
    """Check that the pixels of a page are there, and return what the page holds."""
    if tag.TWICE in tags:  # a decoder goes by the first of them, and others by the last
        raise_damaged("a TIFF page has a tag twice")
    if tag.WIDTH not in tags or tag.HEIGHT not in tags:
        raise_damaged("a TIFF page without a size")
    width, height = _first(tags, tag.WIDTH, 0), _first(tags, tag.HEIGHT, 0)
    check_size(width, height, max_pixels)
    check_size(_first(tags, tag.TILE_WIDTH, 1), _first(tags, tag.TILE_HEIGHT, 1), max_pixels)
    sizes = (tag.WIDTH, tag.HEIGHT, tag.BITS, tag.SAMPLES, tag.STRIP_ROWS, tag.TILE_WIDTH, tag.TILE_HEIGHT)
    if any(_first(tags, size, 1) < 1 for size in sizes):
        raise_damaged("a TIFF page with a size of nothing")
    compression, samples = _first(tags, tag.COMPRESSION, _UNCOMPRESSED), _first(tags, tag.SAMPLES, 1)
    if compression not in _DECODABLE | _DECODABLE_WITH_EXTRA or samples > 5:
        raise ImageError(Reason.UNSUPPORTED, "an unusual TIFF: convert it to PNG")
    _check_parts(walk, tags, offset, max_pixels)
    photometric, bits = _first(tags, tag.PHOTOMETRIC, _GREY), _first(tags, tag.BITS, 1)
    has_mixed_bits = len(set(tags.get(tag.BITS, ()))) > 1
    sample_format, planes = _first(tags, tag.SAMPLE_FORMAT, 1), _first(tags, tag.PLANES, 1) == 2
    has_alpha = _first(tags, tag.EXTRA_SAMPLES, 0) in (1, 2)
    is_plain_tile = tag.TILE_WIDTH in tags and compression == _UNCOMPRESSED and bits <= 8
    tile_bytes = _row_bytes(tags) * _first(tags, tag.TILE_HEIGHT, 1)
    needs_extra = (
        compression in _DECODABLE_WITH_EXTRA
        or bits not in _DEPTHS.get(sample_format, ())
        or has_mixed_bits
        or photometric > _YCBCR
        or (photometric == _CMYK and (bits != 8 or planes or samples != 4))
        or (planes and samples > 1 and bits > 8)
        or (samples == 2 or samples > 4)
        or (photometric == _RGB and bits == 1)
        or (photometric == _PALETTE and (bits not in (1, 8) or samples > 1))
        or (is_plain_tile and tile_bytes < _MIN_TILE_BYTES)
    )
    if needs_extra and compression == _JPEG:
        raise ImageError(Reason.UNSUPPORTED, "a TIFF with an unusual JPEG: convert it to PNG")
    return Container(
        "tiff",
        width,
        height,
        has_alpha=has_alpha,
        orientation=_first(tags, tag.ORIENTATION, 1),
        aspect=orientation.aspect_of(
            tags.get(tag.X_RESOLUTION, (1,))[0], tags.get(tag.Y_RESOLUTION, (1,))[0]
        ),
        is_coloured=photometric in (_RGB, _PALETTE, _CMYK, _YCBCR),
        needs_extra=needs_extra,
        is_inverted=photometric == _WHITE_IS_ZERO and bits > 8,
    )


def _row_bytes(tags: Tags) -> int:
    """Return the size of an uncompressed row of a strip or a tile."""
    planes = _first(tags, tag.PLANES, 1) == 2
    samples = 1 if planes else _first(tags, tag.SAMPLES, 1)
    width = _first(tags, tag.TILE_WIDTH, 0) or _first(tags, tag.WIDTH, 0)
    return (width * samples * _first(tags, tag.BITS, 1) + 7) // 8


def _max_parts(tags: Tags) -> int:
    """Return the largest number of strips or tiles that a page can have."""
    width, height = _first(tags, tag.WIDTH, 0), _first(tags, tag.HEIGHT, 0)
    planes = _first(tags, tag.SAMPLES, 1) if _first(tags, tag.PLANES, 1) == 2 else 1
    columns = -(-width // _first(tags, tag.TILE_WIDTH, width))
    rows = -(-height // _first(tags, tag.TILE_HEIGHT, height))
    return planes * max(height, columns * rows)


def _check_parts(walk: Walk, tags: Tags, directory: int, max_pixels: int) -> None:
    """Check that the strips or tiles of a page are in the file, and that they are no unfinished copy."""
    size, height, row_bytes = len(walk.data), _first(tags, tag.HEIGHT, 0), _row_bytes(tags)
    compression, limit = _first(tags, tag.COMPRESSION, _UNCOMPRESSED), _max_parts(tags)
    is_tiled = tag.STRIPS not in tags and tag.TILES in tags
    offsets = walk.numbers(directory, tag.TILES if is_tiled else tag.STRIPS, limit)
    if not offsets:
        raise_damaged("a TIFF page without pixels")
    sizes: Sequence[int] = walk.numbers(
        directory, tag.STRIP_SIZES if tag.STRIP_SIZES in tags else tag.TILE_SIZES, limit
    )
    rows = _first(tags, tag.TILE_HEIGHT, 1) if is_tiled else min(height, _first(tags, tag.STRIP_ROWS, height))
    if not any(sizes):
        # Some writers leave the sizes out. The pixels end where they must, or where the next part begins.
        ends = sorted({*offsets, size})
        sizes = [ends[bisect_right(ends, offset)] - offset if offset < size else 1 for offset in offsets]
        if compression == _UNCOMPRESSED:
            strips = -(-height // rows)
            last_rows = rows if is_tiled else height - rows * (strips - 1)
            sizes = [
                row_bytes * (last_rows if part % strips == strips - 1 else rows)
                for part in range(len(offsets))
            ]
    if len(sizes) != len(offsets):
        raise_damaged("a TIFF page without pixels")
    if max(map(add, offsets, sizes)) > size:
        raise_truncated("the pixels of a TIFF are cut off")
    walk.spend(sum(sizes))
    if compression in _WEBP:
        width = _first(tags, tag.TILE_WIDTH, 0) or _first(tags, tag.WIDTH, 0)
        for start, part in zip(offsets, sizes, strict=True):
            _check_webp(walk.data[start : start + part], width * rows, max_pixels)
    parts = (walk.data[start : start + part] for start, part in zip(offsets, sizes, strict=True))
    pixels = b"".join(parts)
    if not pixels:
        raise_damaged("a TIFF page without pixels")
    if compression == _UNCOMPRESSED:
        padding = -height % rows * row_bytes if is_tiled else 0
        check_pixels(pixels, 0, len(pixels) - padding, row_bytes, offset=offsets[0])
    elif compression not in _FAX:  # a fax may be padded with zeros; its decoder complains if rows are missing
        check_compressed(pixels, 0, len(pixels))


def _check_webp(data: bytes, part_pixels: int, max_pixels: int) -> None:
    """Check that a WebP in a TIFF is no larger than its strip or tile: its decoder goes by its own size."""
    if data[8:12] != b"WEBP":
        raise_damaged("a TIFF says that it has a WebP, and has none")
    page = webp.parse(data, max_pixels)
    if page.width_px * page.height_px > part_pixels:
        raise_damaged("a WebP in a TIFF is larger than its strip or tile")
