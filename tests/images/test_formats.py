import struct

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import formats
from formats import FORMATS, SEVERAL_PAGES, two


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        formats.parse(data, MAX_PIXELS)
    return caught.value.reason


@pytest.mark.parametrize("name", FORMATS)
def test_content_gives_kind_and_size(name: str) -> None:
    container = formats.parse(FORMATS[name](two()[:40]), MAX_PIXELS)
    assert (container.width_px, container.height_px, container.pages) == (48, 40, 1)
    assert container.kind == ("pnm" if name[:3] in ("pbm", "pgm", "ppm") else name.split("-")[0])


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_pages_and_frames_are_counted(name: str) -> None:
    assert formats.parse(SEVERAL_PAGES[name](two()), MAX_PIXELS).pages == 2


@pytest.mark.parametrize("name", FORMATS)
def test_truncation_at_any_byte_is_noticed(name: str) -> None:
    data = FORMATS[name](two(side=20))
    end = len(data) - ("-plain" in name)  # its last byte only ends the line
    for length in range(1, end, 1 if end < 1500 else 7):
        assert reason_of(data[:length]) == "truncated", length


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_half_of_zeros_is_noticed(name: str) -> None:
    data = FORMATS[name](two(side=400))
    half = len(data) // 2 // 4096 * 4096 or len(data) // 2  # copies stop at the end of a block
    assert reason_of(data[:half] + bytes(len(data) - half)) == "truncated"


@pytest.mark.parametrize("name", ["bmp-8", "bmp-24", "pgm", "ppm", "tiff-8"])
def test_black_ground_is_not_an_unfinished_copy(name: str) -> None:
    digit = two(paper=0, ink=255)
    digit[30:] = 0  # a third of the rows at the end
    formats.parse(FORMATS[name](digit), MAX_PIXELS)
    formats.parse(FORMATS[name](digit * 0), MAX_PIXELS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"Dear reader,\nthis is text.\n", "not_an_image"),
        (b"P5 is a paper format\n", "not_an_image"),
        (bytes(1000), "not_an_image"),
        (b"%PDF-1.7\n", "truncated"),
        (b"%!PS-Adobe-3.0\n", "unsupported"),
        (b'<?xml version="1.0"?>\n<svg width="9"/>', "unsupported"),
        (b"<html><p>no such scan</p></html>", "not_an_image"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "truncated"),
        (b"\0\0\0\x18ftypmp42" + bytes(12) + b"mp42", "unsupported"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "not_an_image"),
        (b"P7\nWIDTH 2\n", "unsupported"),
        (
            b"BM" + struct.pack("<IHHIIIIHH", 1230, 0, 0, 30, 16, 20, 20, 1, 24) + bytes(1200),
            "unsupported",
        ),
        (b"II+\0\x08\0\0\0" + b"\xff" * 8, "truncated"),
        (b"P2 2 2 70000 1 2 3 4\n", "unsupported"),
        (b"P5\n99999999999 1\n255\n", "damaged"),
        (b"P5\n0 5\n255\n\n", "damaged"),
        (b"P2\n2 2\n255\n1 2 x3 4\n", "damaged"),
        (b"P2\n2 2\n255\n1 2 300 4\n", "damaged"),
        (b"P1\n2 2\n0 1 ? 0\n", "damaged"),
    ],
)
def test_other_files_have_a_reason(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


@pytest.mark.parametrize(
    "start",
    [
        b"%!PS-Adobe-3.0\n",
        b"PK\3\4\x14\0\6\0\x08\0[Content_Types].xml",
        b"PK\3\4\x14\0\0\0\0\0mimetypeapplication/vnd.oasis.opendocument.text",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"\0\0\1\0\2\0",
        b"\xc5\xd0\xd3\xc6\x20",
        b"\1\0\0\0" + bytes(36) + b" EMF",
        bytes(128) + b"DICM",
        b"#?RADIANCE\n",
        b"\x76\x2f\x31\x01\2",
        b"II\xbc\x01\x20",
        b"FUJIFILMCCD-RAW 0201",
        b"P7\nWIDTH 2\n",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    ],
)
def test_other_images_and_documents_are_known_by_their_content(start: bytes) -> None:
    assert formats.is_known(start + bytes(100))
    assert reason_of(start + bytes(100)) == "unsupported"


@pytest.mark.parametrize(
    "start",
    [
        b"PK\3\4\x14\0\0\0\0\0report.csv",
        b"P5 is a paper format\n",
        b"Pf, said he\n",
        b"BM is a name\n",
        b"PDF\n",
        b"\0\0\0\x1cftypM4A \0\0\0\0M4A isommp42",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"\0\0\0\x14ftypqt  \0\0\0\0qt  ",
        b"\0\0\0\x10ftypqt  \0\0\0\0heic",  # a name after the list counts no more
    ],
)
def test_other_files_are_not_taken_for_images(start: bytes) -> None:
    assert not formats.is_known(start + bytes(100))


@pytest.mark.parametrize("paper", [0, 255])
@pytest.mark.parametrize("name", ["bmp-1", "bmp-8", "bmp-24", "bmp-masked", "pbm", "pgm", "pgm-16", "ppm"])
def test_inserted_bytes_are_damage(name: str, paper: int) -> None:
    data = FORMATS[name](two(paper, 255 - paper))
    for place in range(len(data) // 2, len(data), len(data) // 9):
        inserted = data[:place] + b"\r\n\r" * 9 + data[place:]
        assert reason_of(inserted) in ("damaged", "truncated"), place  # truncated if it ends in zeros


@pytest.mark.parametrize("name", ["bmp-1", "bmp-8", "bmp-24", "bmp-masked", "pbm", "pgm", "pgm-16", "ppm"])
def test_padding_after_an_image_is_harmless(name: str) -> None:
    data = FORMATS[name](two())
    for padding in (b"\0\0", b"\r\n", bytes(-len(data) % 512), b"\x1a" * (-len(data) % 128)):
        formats.parse(data + padding, MAX_PIXELS)


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"") -> bytes:
    """Write a TIFF of one page; each tag has a kind, the number of values, and the value or its offset."""
    entries = b"".join(struct.pack("<HHII", tag, *value) for tag, value in sorted(tags.items()))
    return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + data


def test_parts_of_a_tiff_that_overlap_are_damage() -> None:
    number = 100_000
    offset = 8 + 2 + 12 * 6 + 4
    tags = {256: (4, 1, 100), 257: (4, 1, 100), 258: (3, 1, 8), 259: (3, 1, 1)}
    strips = struct.pack("<I", 0) * number + struct.pack("<I", offset) * number
    bomb = tiff(tags | {273: (4, number, offset), 279: (4, number, offset + 4 * number)}, strips)
    assert reason_of(bomb) == "damaged"


def test_unknown_tags_of_a_tiff_are_not_read() -> None:
    number = 4000
    offset = 8 + 2 + 12 * number + 4
    bomb = tiff({1000 + tag: (4, 1 << 20, offset) for tag in range(number)}, b"\1" * (4 << 20))
    assert reason_of(bomb) == "damaged"  # to read all tags would take hours


def test_strips_without_sizes_take_no_time() -> None:
    number = 100_000
    offset = 8 + 2 + 12 * 6 + 4
    tags = {256: (4, 1, 8), 257: (4, 1, number), 258: (3, 1, 8), 259: (3, 1, 5), 278: (4, 1, 1)}
    first = offset + 4 * number
    strips = struct.pack(f"<{number}I", *range(first, first + number)) + number * b"\1"
    data = tiff(tags | {273: (4, number, offset)}, strips)
    assert formats.parse(data, MAX_PIXELS).height_px == number  # not after many minutes


def test_a_jpeg_of_endless_scans_is_damage() -> None:
    data = FORMATS["jpeg-progressive"](two())
    last = data[data.rindex(b"\xff\xda") : -2]
    assert formats.parse(data[:-2] + 20 * last + data[-2:], MAX_PIXELS).kind == "jpeg"
    assert reason_of(data[:-2] + 200 * last + data[-2:]) == "damaged"


@pytest.mark.parametrize("compression", [1234, 6, 34712, 50002], ids=["unknown", "old jpeg", "2000", "xl"])
def test_tiffs_of_other_compressions_are_unsupported(compression: int) -> None:
    tags = {256: (4, 1, 10), 257: (4, 1, 10), 259: (3, 1, compression), 273: (4, 1, 8), 279: (4, 1, 20)}
    assert reason_of(tiff(tags)) == "unsupported"
    del tags[273]  # old JPEG has other tags
    assert reason_of(tiff(tags)) == "unsupported"


@pytest.mark.parametrize("name", FORMATS)
def test_a_flat_image_is_complete(name: str) -> None:
    for side in (12, 100, 400):
        for level in (0, 128, 255):
            formats.parse(FORMATS[name](np.full((side, side), level, np.uint8)), MAX_PIXELS)


def test_changed_bytes_of_a_png_are_damage() -> None:
    data = bytearray(FORMATS["png-8"](two()))
    data[100] ^= 1
    assert reason_of(bytes(data)) == "damaged"


def test_pages_of_a_tiff_in_a_circle_are_damage() -> None:
    data = bytearray(FORMATS["tiff-8"](two()))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * count, directory)
    assert reason_of(bytes(data)) == "damaged"


def test_bytes_after_the_end_of_a_jpeg_are_harmless() -> None:
    assert formats.parse(FORMATS["jpeg-grey"](two()) + b"\0" * 100, MAX_PIXELS).kind == "jpeg"
