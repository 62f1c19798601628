"""Files that say their size twice, or ask for much memory: the parsers refuse them or need little."""

import io
import struct
import zlib
from dataclasses import replace

import imagecodecs
import pytest
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import av1, decode, formats, tiff_extra
from formats import EXTRA_FORMATS, PHOTO_FORMATS, SEVERAL_PAGES, two
from memory import peak_bytes

SMALL = 1000  # pixels: more than the smaller size of each file below, and fewer than the larger
SIDE, SMALL_SIDE = 48, 20


def error_of(data: bytes, max_pixels: int = MAX_PIXELS) -> ImageError:
    with pytest.raises(ImageError) as caught:
        formats.parse(data, max_pixels)
    return caught.value


def tiff(entries: list[tuple[int, int, int, int]], content: bytes = b"") -> bytes:
    """Write a TIFF of one page; an entry is tag, kind, number of values, and the value or its offset."""
    directory = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<4sIH", b"II*\0", 8, len(entries)) + directory + bytes(4) + content


def offset_after(entries: int) -> int:
    return 8 + 2 + 12 * entries + 4


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize(("tag", "value"), [(256, SMALL_SIDE), (258, 1), (273, 8), (274, 3)])
def test_a_tiff_says_nothing_twice_about_its_pixels(tag: int, value: int) -> None:
    entries = [(256, 4, 1, SIDE), (257, 4, 1, SIDE), (258, 3, 1, 8), (262, 3, 1, 1)]
    entries += [(273, 4, 1, offset_after(6)), (274, 3, 1, 1)]
    (same,) = [entry for entry in entries if entry[0] == tag]
    pixels = b"\0" * 12 + two(side=SIDE).tobytes()  # for the entry that is more
    assert decode.decode(tiff([*entries, same], pixels), MAX_PIXELS).shape == (SIDE, SIDE)
    twice = tiff([*entries, (tag, same[1], 1, value)], pixels)
    if tag == 274:  # how the pixels lie is no matter for a decoder
        assert formats.parse(twice, MAX_PIXELS).orientation == value
    else:
        assert error_of(twice).detail == "a TIFF page has a tag twice"


def test_the_extra_decodes_no_size_but_that_of_the_parser() -> None:
    data = EXTRA_FORMATS["TIFF with LZMA"](two())
    container = formats.parse(data, MAX_PIXELS)
    with pytest.raises(ImageError, match="another size") as caught:
        tiff_extra.decode(data, replace(container, width_px=SMALL_SIDE))
    assert caught.value.reason == "damaged"


def webp(side: int) -> bytes:
    content = io.BytesIO()
    Pillow.fromarray(two(side=side)).convert("RGB").save(content, "WEBP", lossless=True)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "detail"), [(webp(SIDE), "larger"), (bytes(64), "none")], ids=["larger", "none"]
)
def test_a_webp_in_a_tiff_is_no_larger_than_its_strip(content: bytes, detail: str) -> None:
    entries = [(256, 4, 1, SMALL_SIDE), (257, 4, 1, SMALL_SIDE), (258, 3, 1, 8), (259, 3, 1, 50001)]
    entries += [(262, 3, 1, 2), (273, 4, 1, offset_after(8)), (277, 3, 1, 3), (279, 4, 1, len(content))]
    error = error_of(tiff(entries, content + b"\1"))
    assert error.reason == "damaged" and detail in error.detail


def test_a_webp_whose_second_header_says_another_size_is_damaged() -> None:
    chunk = webp(SIDE)[12:]
    sides = (SMALL_SIDE - 1).to_bytes(3, "little") * 2
    chunk += struct.pack("<4sI", b"VP8X", 10) + bytes(4) + sides
    assert error_of(b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk).reason == "damaged"


def test_of_two_codestreams_of_a_jpeg_2000_the_first_counts() -> None:
    whole, other = (
        bytes(imagecodecs.jpeg2k_encode(two(side=side), codecformat=kind))
        for side, kind in ((SIDE, "jp2"), (SMALL_SIDE, "j2k"))
    )
    data = whole + box(b"jp2c", other)
    assert error_of(data, SMALL).reason == "too_large"
    assert formats.parse(data, MAX_PIXELS).width_px == SIDE


def test_a_jpeg_2000_is_too_large_whatever_its_colours() -> None:
    data = bytes(imagecodecs.jpeg2k_encode(two(side=SIDE), codecformat="jp2"))
    unusual = data.replace(struct.pack(">I", 17), struct.pack(">I", 12))  # inks, which PDFium knows
    assert error_of(unusual).reason == "unsupported"
    assert error_of(unusual, SMALL).reason == "too_large"


@pytest.mark.parametrize("cut", [2, 3, 5])
def test_the_header_of_a_jpeg_xl_may_lie_in_two_boxes(cut: int) -> None:
    stream = bytes(imagecodecs.jpegxl_encode(two(side=SIDE)))
    start = box(b"JXL ", b"\r\n\x87\n") + box(b"ftyp", b"jxl \0\0\0\0jxl ")
    parts = [b"\0\0\0\0" + stream[:cut], b"\x80\0\0\1" + stream[cut:]]
    data = start + b"".join(box(b"jxlp", part) for part in parts)
    container = formats.parse(data, MAX_PIXELS)
    assert (container.width_px, container.height_px) == (SIDE, SIDE)
    assert decode.decode(data, MAX_PIXELS).shape == (SIDE, SIDE)


def test_each_frame_of_a_png_must_be_small_enough() -> None:
    data = SEVERAL_PAGES["png"](two())
    start = data.rindex(b"fcTL")
    chunk = bytearray(data[start : start + 30])
    struct.pack_into(">II", chunk, 8, 10 * SIDE, 10 * SIDE)
    data = data[:start] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[start + 34 :]
    assert error_of(data, SIDE * SIDE).reason == "too_large"


def heif(*meta: bytes, brands: bytes = b"") -> bytes:
    return box(b"ftyp", b"avif\0\0\0\0", brands) + box(b"meta", bytes(4), *meta) + box(b"mdat", b"pixels")


def properties(*sides: int, count: int = 1) -> bytes:
    """Write the boxes that say that picture 1 has each of these sides."""
    sizes = [box(b"ispe", bytes(4), struct.pack(">II", side, side)) for side in sides]
    numbers = bytes(range(1, len(sides) + 1))
    of_one = struct.pack(">HB", 1, len(sides)) + numbers
    return box(b"iprp", box(b"ipco", *sizes), box(b"ipma", bytes(4), struct.pack(">I", count), of_one))


def sequence(side: int, has_times: bool = False) -> bytes:
    """Write the unit of an AV1 that says its size, after one that says nothing."""
    bits = "00000"
    if has_times:
        bits += "1" + 64 * "0" + "1" + "00101" + "1" + "00010" + 42 * "1"  # a long number, delays of 3 bits
        bits += "1" + "00001" + 2 * (12 * "0" + "01000" + "1" + "1" + 7 * "1" + "1" + 4 * "1")
    else:
        bits += "0" + "0" + "00000" + 12 * "0" + "00001"
    bits += "1001" + "0111" + f"{side - 1:010b}" + f"{side - 1:08b}"
    bits += "0" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return b"\x12\0" + b"\x0a" + bytes([0x80 | len(body), 0]) + body


def located(content: bytes) -> bytes:
    """Write the boxes that say that the data of picture 1 lie inside them."""
    kind = box(b"infe", b"\2\0\0\0", struct.pack(">HH4s", 1, 0, b"av01"))
    place = struct.pack(">HHHHHI", 1, 1, 1, 0, 1, 0) + struct.pack(">I", len(content))
    return (
        box(b"iinf", bytes(4), struct.pack(">H", 1), kind)
        + box(b"iloc", b"\1\0\0\0\x44\0", place)
        + box(b"idat", content)
    )


PICTURE = box(b"pitm", bytes(4), struct.pack(">H", 1))
PIXELS = located(sequence(SMALL_SIDE))


@pytest.mark.parametrize("sides", [(SIDE, SMALL_SIDE), (SMALL_SIDE, SIDE)])
def test_each_size_of_an_avif_must_be_small_enough(sides: tuple[int, ...]) -> None:
    assert error_of(heif(PICTURE, PIXELS, properties(*sides)), SMALL).reason == "too_large"
    assert formats.parse(heif(PICTURE, PIXELS, properties(SMALL_SIDE)), SMALL).width_px == SMALL_SIDE


@pytest.mark.parametrize("has_times", [False, True])
def test_the_size_in_the_data_of_an_avif_counts(has_times: bool) -> None:
    content = sequence(SMALL_SIDE) + sequence(SIDE, has_times)
    assert list(av1.sizes(content)) == [(SMALL_SIDE, SMALL_SIDE), (SIDE, SIDE)]
    data = heif(PICTURE, located(content), properties(SMALL_SIDE))
    assert error_of(data, SMALL).reason == "too_large"
    assert formats.parse(data, MAX_PIXELS).width_px == SMALL_SIDE


@pytest.mark.parametrize("name", ["AVIF", "AVIF of 10 bits", "AVIF with transparency"])
def test_an_avif_that_says_a_smaller_size_is_too_large(name: str) -> None:
    data = PHOTO_FORMATS[name](two(side=SIDE))
    lie = data.replace(struct.pack(">II", SIDE, SIDE), struct.pack(">II", SMALL_SIDE, SMALL_SIDE))
    assert lie != data
    assert error_of(lie, SMALL).reason == "too_large"
    assert formats.parse(data, SIDE * SIDE).width_px == SIDE


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"\x12\0" * (av1.MAX_UNITS + 1), "too many parts"),
        (sequence(SIDE)[:7], "cut off"),
        (b"\x0a" + b"\xff" * 9, "no sense"),
    ],
    ids=["long", "short", "number"],
)
def test_data_of_an_avif_without_sense_are_damage(content: bytes, detail: str) -> None:
    error = error_of(heif(PICTURE, located(content), properties(SIDE)))
    assert error.reason == "damaged" and detail in error.detail


@pytest.mark.parametrize(
    ("data", "detail"),
    [
        (heif(PICTURE, PICTURE, properties(SIDE)), "twice"),
        (heif(PICTURE, properties(SIDE), properties(SIDE)), "twice"),
        (heif(PICTURE, properties(SIDE, count=100_000)), "too many"),
        (heif(PICTURE, properties(SIDE)), "where its picture is"),
    ],
)
def test_a_heif_that_says_too_much_is_damaged(data: bytes, detail: str) -> None:
    error = error_of(data)
    assert error.reason == "damaged" and detail in error.detail


def test_only_the_first_brands_of_a_file_count() -> None:
    data = heif(PICTURE, properties(SIDE), brands=b"mp42" * 1000 + b"heic").replace(b"ftypavif", b"ftypmp42")
    assert error_of(data).reason == "unsupported"


def test_a_tiff_has_no_more_strips_than_rows() -> None:
    number, side = 50_000, 8
    strips = struct.pack("<I", 8) * number
    entries = [(256, 4, 1, side), (257, 4, 1, side), (258, 3, 1, 8), (259, 3, 1, 5)]
    data = tiff([*entries, (273, 4, number, offset_after(5))], strips)
    assert "more parts" in error_of(data).detail
    with pytest.raises(ImageError):
        decode.decode(data, MAX_PIXELS)

    def parse() -> None:
        error_of(data)

    assert peak_bytes(parse) < 2 * len(data)


def test_the_previews_of_a_tiff_are_counted() -> None:
    number = 40_010
    size = 2 + 12 + 4
    preview = struct.pack("<HHHII", 1, 254, 4, 1, 1)
    directories = (preview + struct.pack("<I", 8 + size * (place + 1)) for place in range(number))
    data = b"II*\0" + struct.pack("<I", 8) + b"".join(directories) + preview + bytes(4)
    assert error_of(data).reason == "too_large"
