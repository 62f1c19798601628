import struct

import pytest

from batch.errors import ImageError
from batch.files import containers
from formats import FORMATS, SEVERAL_PAGES, two


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        containers.inspect(data)
    return caught.value.reason


@pytest.mark.parametrize("name", FORMATS)
def test_kind_and_size_are_told_by_content(name: str) -> None:
    container = containers.inspect(FORMATS[name](two()[:40]))
    assert (container.width_px, container.height_px, container.pages) == (48, 40, 1)
    assert container.kind == ("pnm" if name[:3] in ("pbm", "pgm", "ppm") else name.split("-")[0])


@pytest.mark.parametrize("name", SEVERAL_PAGES)
def test_pages_and_frames_are_counted(name: str) -> None:
    assert containers.inspect(SEVERAL_PAGES[name](two())).pages == 2


@pytest.mark.parametrize("name", FORMATS)
def test_truncation_at_any_byte_is_seen(name: str) -> None:
    data = FORMATS[name](two(side=20))
    end = len(data) - (name == "pbm-plain")  # whose last byte only ends the line
    for length in range(1, end, 1 if end < 1500 else 7):
        assert reason_of(data[:length]) == "truncated", length


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_half_of_zeros_is_seen(name: str) -> None:
    data = FORMATS[name](two())
    half = len(data) // 2
    assert reason_of(data[:half] + bytes(len(data) - half)) == "truncated"


@pytest.mark.parametrize("name", ["bmp-8", "bmp-24", "pgm", "ppm", "tiff-8"])
def test_black_ground_is_not_an_unfinished_copy(name: str) -> None:
    digit = two(paper=0, ink=255)
    digit[30:] = 0  # a third of the rows at the end
    containers.inspect(FORMATS[name](digit))
    containers.inspect(FORMATS[name](digit * 0))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "truncated"),
        (b"Dear reader,\nthis is text.\n", "not_an_image"),
        (b"P5 is a paper format\n", "not_an_image"),
        (bytes(1000), "not_an_image"),
        (b"%PDF-1.7\n", "unsupported"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "unsupported"),
        (b"RIFF\x24\0\0\0WAVEfmt " + bytes(40), "not_an_image"),
        (b"P7\nWIDTH 2\n", "unsupported"),
        (b"P2 2 2 1000 1 2 3 4\n", "unsupported"),
        (b"P5\n99999999999 1\n255\n", "damaged"),
        (b"P5\n0 5\n255\n\n", "damaged"),
    ],
)
def test_what_is_no_image(data: bytes, reason: str) -> None:
    assert reason_of(data) == reason


def test_changed_bytes_of_a_png_are_damage() -> None:
    data = bytearray(FORMATS["png-8"](two()))
    data[100] ^= 1
    assert reason_of(bytes(data)) == "damaged"


def test_pages_that_run_in_a_circle_are_damage() -> None:
    data = bytearray(FORMATS["tiff-8"](two()))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    struct.pack_into("<I", data, directory + 2 + 12 * count, directory)
    assert reason_of(bytes(data)) == "damaged"


def test_what_follows_the_end_of_a_jpeg_is_no_matter() -> None:
    assert containers.inspect(FORMATS["jpeg-grey"](two()) + b"\0" * 100).kind == "jpeg"
