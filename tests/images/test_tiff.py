"""TIFFs as scanners and programs write them: sizes left out, padding, previews, masks, few bits."""

import io
import struct
import sys
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, formats
from batch.records import Grey, Reason
from formats import EXTRA_FORMATS, FORMATS, tiff_of_bits, two

STRIP_SIZES, STRIPS = 279, 273


def is_two(image: Grey, expected: Grey | None = None) -> bool:
    expected = two() if expected is None else expected
    return image.shape == expected.shape and bool(np.mean((image > 127) == (expected > 127)) > 0.99)


def tags_first(grey: Grey, compression: str, padding: int = 0, **options: Any) -> bytes:
    """Write a TIFF whose pixels are its end, with zeros after them that belong to the strip."""
    content = io.BytesIO()
    image = Pillow.fromarray(grey)
    if compression.startswith("group"):
        image = image.point(lambda level: 255 if level > 127 else 0, "1")
    image.save(content, "TIFF", compression=None if compression == "none" else compression, **options)
    content.seek(0)
    with tifffile.TiffFile(content) as file:
        page: Any = file.pages[0]
        pixels = b"".join(
            content.getvalue()[start : start + size]
            for start, size in zip(page.dataoffsets, page.databytecounts, strict=True)
        )
        bits, photometric = page.bitspersample, int(page.photometric)
        number = int(page.compression)
    entries = [
        (256, 4, grey.shape[1]),
        (257, 4, grey.shape[0]),
        (258, 3, bits),
        (259, 3, number),
        (262, 3, photometric),
        (STRIPS, 4, 8 + 2 + 12 * 9 + 4),
        (277, 3, 1),
        (278, 4, grey.shape[0]),
        (STRIP_SIZES, 4, len(pixels) + padding),
    ]
    directory = struct.pack("<H", len(entries)) + b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries
    )
    return b"II*\0" + struct.pack("<I", 8) + directory + bytes(4) + pixels + bytes(padding)


def without_sizes(data: bytes, *, zero: bool) -> bytes:
    """Take the sizes of the strips out of a TIFF that `tags_first` wrote, or make them 0."""
    content = bytearray(data)
    (count,) = struct.unpack_from("<H", content, 8)
    for entry in range(10, 10 + 12 * count, 12):
        if struct.unpack_from("<H", content, entry)[0] == STRIP_SIZES:
            if zero:
                struct.pack_into("<I", content, entry + 8, 0)
            else:
                struct.pack_into("<H", content, entry, 300)  # a tag that nobody knows
    return bytes(content)


@pytest.mark.parametrize("padding", [1, 7, 64, 1000])
@pytest.mark.parametrize("compression", ["group4", "group3"])
def test_a_fax_may_be_padded_with_zeros(compression: str, padding: int) -> None:
    assert is_two(decode.decode(tags_first(two(), compression, padding), MAX_PIXELS))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("compression", ["group4", "group3"])
def test_a_fax_that_ends_in_zeros_fails(compression: str, share: float) -> None:
    data = tags_first(two(side=300), compression)
    cut = 122 + int((len(data) - 122) * share)
    with pytest.raises(ImageError) as caught:
        decode.decode(data[:cut] + bytes(len(data) - cut), MAX_PIXELS)
    assert caught.value.reason in (Reason.TRUNCATED, Reason.DAMAGED)


@pytest.mark.parametrize("zero", [False, True], ids=["missing", "zero"])
@pytest.mark.parametrize(
    "compression", ["none", "group4", "group3", "tiff_lzw", "packbits", "tiff_adobe_deflate"]
)
def test_sizes_of_strips_may_be_left_out(compression: str, zero: bool) -> None:
    assert is_two(decode.decode(without_sizes(tags_first(two(), compression), zero=zero), MAX_PIXELS))


@pytest.mark.parametrize("zero", [False, True], ids=["missing", "zero"])
@pytest.mark.parametrize("compression", ["none", "group4", "tiff_lzw", "tiff_adobe_deflate"])
def test_half_a_file_without_sizes_fails(compression: str, zero: bool) -> None:
    data = without_sizes(tags_first(two(side=200), compression), zero=zero)
    with pytest.raises(ImageError) as caught:
        decode.decode(data[: len(data) // 2 + 60], MAX_PIXELS)
    assert caught.value.reason in (Reason.TRUNCATED, Reason.DAMAGED)


def pages(*kinds: dict[str, Any]) -> bytes:
    """Write a TIFF of pages; each has pixels and options of `tifffile`."""
    content = io.BytesIO()
    with tifffile.TiffWriter(content) as writer:
        for options in kinds:
            page = {"photometric": "minisblack", "metadata": None, "contiguous": False} | options
            writer.write(page.pop("pixels"), **page)
    return content.getvalue()


SCAN: dict[str, Any] = {"pixels": two()}
PREVIEW: dict[str, Any] = {"pixels": 255 - two(side=24), "subfiletype": 1}
OLD_PREVIEW: dict[str, Any] = {"pixels": 255 - two(side=24), "extratags": [(255, "H", 1, 2, True)]}
MASK: dict[str, Any] = {"pixels": two() > 127, "subfiletype": 4}
PREVIEW_OF_MASK: dict[str, Any] = {"pixels": two(side=24) > 127, "subfiletype": 5}
OLD_SCAN: dict[str, Any] = {"pixels": two(), "extratags": [(255, "H", 1, 1, True)]}


@pytest.mark.parametrize(
    "kinds",
    [
        (SCAN, PREVIEW),
        (PREVIEW, SCAN),
        (SCAN, OLD_PREVIEW),
        (OLD_PREVIEW, OLD_SCAN),
        (SCAN, MASK),
        (MASK, SCAN),
        (MASK, PREVIEW, SCAN, PREVIEW_OF_MASK),
        (PREVIEW, SCAN | {"tile": (16, 16)}),
    ],
)
def test_previews_and_masks_are_no_pages(kinds: tuple[dict[str, Any], ...]) -> None:
    data = pages(*kinds)
    assert formats.parse(data, MAX_PIXELS).pages == 1
    assert is_two(decode.decode(data, MAX_PIXELS))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_preview_comes_first_in_any_layout(byteorder: str, bigtiff: bool) -> None:
    content = io.BytesIO()
    with tifffile.TiffWriter(content, byteorder=byteorder, bigtiff=bigtiff) as writer:
        for page in (PREVIEW, SCAN):
            options = {"photometric": "minisblack", "metadata": None} | page
            writer.write(options.pop("pixels"), **options)
    assert is_two(decode.decode(content.getvalue(), MAX_PIXELS))


def test_a_raw_photo_is_not_read_from_its_preview() -> None:
    """As DNG and NEF: a preview, and the photo in a directory of its own inside."""
    content = io.BytesIO()
    options = {"photometric": "minisblack", "metadata": None}
    with tifffile.TiffWriter(content) as writer:
        writer.write(two(side=24), subfiletype=1, subifds=1, **options)
        writer.write(two(side=96), **options)
    with pytest.raises(ImageError) as caught:
        formats.parse(content.getvalue(), MAX_PIXELS)
    assert caught.value.reason == "unsupported"
    content = io.BytesIO()
    with tifffile.TiffWriter(content) as writer:  # a picture with smaller copies inside
        writer.write(two(), subifds=1, **options)
        writer.write(two(side=24), subfiletype=1, **options)
    assert is_two(decode.decode(content.getvalue(), MAX_PIXELS))


def test_a_preview_that_digitbox_does_not_read_is_no_matter() -> None:
    data = bytearray(pages(SCAN, PREVIEW))
    at = data.rindex(struct.pack("<HHIHH", 259, 3, 1, 1, 0))  # of the preview: its compression
    struct.pack_into("<H", data, at + 8, 6)
    assert is_two(decode.decode(bytes(data), MAX_PIXELS))


def test_two_scans_are_two_pages() -> None:
    assert formats.parse(pages(SCAN, OLD_SCAN, PREVIEW), MAX_PIXELS).pages == 2
    assert formats.parse(pages(PREVIEW), MAX_PIXELS).pages == 1


@pytest.mark.parametrize("inverted", [False, True], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("name", EXTRA_FORMATS)
def test_the_extra_reads_what_opencv_does_not(name: str, inverted: bool) -> None:
    grey = 255 - two() if inverted else two()
    assert is_two(decode.decode(EXTRA_FORMATS[name](grey), MAX_PIXELS), grey)


@pytest.mark.parametrize("name", EXTRA_FORMATS)
@pytest.mark.parametrize("missing", ["tifffile", "imagecodecs"])
def test_without_the_extra_they_are_unsupported(
    name: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImageError) as caught:
        decode.decode(EXTRA_FORMATS[name](two()), MAX_PIXELS)
    assert caught.value.reason is Reason.UNSUPPORTED
    assert "pip install 'digitbox[formats]'" in caught.value.detail


@pytest.mark.parametrize("name", EXTRA_FORMATS)
def test_damage_for_the_extra_is_never_a_bug(name: str) -> None:
    data = EXTRA_FORMATS[name](two())
    rng = np.random.default_rng(len(name))
    for _ in range(60):
        content = bytearray(data)
        for position in rng.integers(8, len(data), 3):
            content[position] = rng.integers(256)
        image = decode.decode_content(bytes(content), MAX_PIXELS)
        if isinstance(image, ImageError):
            assert image.reason is not Reason.NO_MEMORY
        else:
            assert image.grey.dtype == np.uint8 and image.grey.ndim == 2


def test_components_of_unlike_bits_are_unsupported() -> None:
    wide = two().astype(np.uint16)
    pixels = (wide >> 3 << 11 | wide >> 2 << 5 | wide >> 3).astype("<u2").tobytes()
    image = decode.decode_content(tiff_of_bits(pixels, wide.shape, [5, 6, 5], 2), MAX_PIXELS)
    assert isinstance(image, ImageError) and image.reason is Reason.UNSUPPORTED


@pytest.mark.parametrize("bits", [6, 9, 12, 13, 16])
def test_white_is_0_in_any_number_of_bits(bits: int) -> None:
    grey = two()
    levels = np.rint((255 - grey.astype(float)) / 255 * ((1 << bits) - 1)).astype(">u2")
    packed = np.unpackbits(levels[..., None].view(np.uint8), axis=-1)[..., 16 - bits :]
    data = tiff_of_bits(np.packbits(packed.reshape(len(grey), -1), axis=1).tobytes(), grey.shape, [bits], 0)
    assert np.abs(decode.decode(data, MAX_PIXELS).astype(int) - grey).max() <= 255 >> bits


SIZES = (256, 257, 258, 277, 278, 322, 323)  # of the page, of a pixel, and of strips and tiles
TIFFS = [name for name in FORMATS if name.startswith("tiff")]


@pytest.mark.parametrize("name", TIFFS)
def test_a_page_with_a_size_of_nothing_is_damaged(name: str) -> None:
    data = FORMATS[name](two(side=32))
    if data[2:4] not in (b"*\0", b"\0*"):
        pytest.skip("a BigTIFF has other entries")
    order = "<" if data[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in SIZES:
            damaged = bytearray(data)
            struct.pack_into(order + "HHII", damaged, entry, tag, kind, 1, 0)
            with pytest.raises(ImageError) as raised:
                decode.decode(bytes(damaged), MAX_PIXELS)
            # One that ends in zeros may be a copy that was not finished.
            assert raised.value.reason in (Reason.DAMAGED, Reason.TRUNCATED)


@pytest.mark.parametrize("photometric", range(0, 11))
def test_a_photometric_that_its_pixels_contradict_is_no_bug(photometric: int) -> None:
    for name in TIFFS:
        data = bytearray(FORMATS[name](two(side=32)))
        if bytes(data[2:4]) in (b"*\0", b"\0*"):
            order = "<" if data[:2] == b"II" else ">"
            (directory,) = struct.unpack_from(order + "I", data, 4)
            start = data.find(struct.pack(order + "HHI", 262, 3, 1), directory)
            struct.pack_into(order + "H", data, start + 8, photometric)
            with suppress(ImageError):
                decode.decode(bytes(data), MAX_PIXELS)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("numbers", ["complex64", "float64", "float32"])
@pytest.mark.parametrize("level", [3e38, -3e38, 1e300, float("nan"), float("inf")])
def test_numbers_of_any_size_are_no_bug(numbers: str, level: float) -> None:
    with np.errstate(over="ignore"):
        pixels = np.where(two() > 127, level, -2.9e38).astype(numbers)
        pixels[0, 0] = 2.9e38
    content = io.BytesIO()
    tifffile.imwrite(content, pixels)
    with suppress(ImageError):
        assert decode.decode(content.getvalue(), MAX_PIXELS).dtype == np.uint8


def test_floats_of_the_whole_range_keep_their_levels() -> None:
    small, large = io.BytesIO(), io.BytesIO()
    levels = (two().astype(np.float32) - 127.5) / 127.5
    tifffile.imwrite(small, levels)
    tifffile.imwrite(large, levels * np.float32(3.3e38))
    images = [decode.decode(content.getvalue(), MAX_PIXELS).astype(int) for content in (small, large)]
    assert np.abs(images[0] - images[1]).max() <= 1
