"""PNMs: the memory that headers, comments and pixels written as text need."""

import pytest

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, formats, pnm
from memory import peak_bytes


@pytest.mark.parametrize("end", [b"4 4\n255\n" + bytes(range(16)), b"x"])
def test_spaces_in_the_header_of_a_pnm_need_no_memory(end: bytes) -> None:
    data = b"P5" + b" " * 200_000 + b"# a line\n" * 10_000 + end
    assert peak_bytes(lambda: decode.decode_content(data, MAX_PIXELS)) < 4 * len(data)


@pytest.mark.parametrize("comments", [0, 200_000])
def test_pixels_written_as_text_need_little_memory(comments: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pnm, "PART_BYTES", 10_000)
    side = 400
    data = f"P2\n{side} {side}\n255\n".encode() + b"#\n" * comments + b"200 " * (side * side)
    formats.parse(data, MAX_PIXELS)
    assert peak_bytes(lambda: formats.parse(data, MAX_PIXELS)) < 2 * len(data)


@pytest.mark.parametrize("part_bytes", [1, 2, 5, 1000])
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"1 2\n3  44\t5\x0b6 ", ""),
        (b"1 2 3 4 5 6 900", ""),
        (b"1 2 #3 900\n3 4#\r5 6 #x", ""),
        (b"1 2 3 #a long\tcomment with 900 #and more\n4 5 6 ", ""),
        (b"1 2 3 4 5 6#", "truncated"),
        (b"1 2 3 4 5 #6 ", "truncated"),
        (b"1 2 3 #\nx 4 5 6 ", "damaged"),
        (b"1 2 3 4 5 6", "truncated"),
        (b"1 2 3 4 5 ", "truncated"),
        (b" ", "truncated"),
        (b"1 2 3 4 5 256 ", "damaged"),
        (b"1 2 3 4 5 18446744073709551617 ", "damaged"),
    ],
)
def test_numbers_are_read_in_parts(
    text: bytes, reason: str, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pnm, "PART_BYTES", part_bytes)
    data = b"P2\n3 2\n255\n" + text
    if not reason:
        assert formats.parse(data, MAX_PIXELS).height_px == 2
        return
    with pytest.raises(ImageError) as caught:
        formats.parse(data, MAX_PIXELS)
    assert caught.value.reason == reason
