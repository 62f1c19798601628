"""PNMs: the memory that headers, comments and pixels written as text need."""

import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, formats, pnm
from batch.records import Reason
from memory import peak_bytes


@pytest.mark.parametrize("end", [b"4 4\n255\n" + bytes(range(16)), b"x"])
def test_spaces_in_the_header_of_a_pnm_need_no_memory(end: bytes) -> None:
    data = b"P5" + b" " * 200_000 + b"# a line\n" * 10_000 + end
    assert peak_bytes(lambda: decode.decode_content(data, MAX_PIXELS)) < 4 * len(data)


@pytest.mark.parametrize("data", [b"P5\n%s2 2\n255\n0123", b"P2\n2 2\n255\n%s1 2 3 4 "])
def test_comments_take_no_endless_time(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pnm, "MAX_COMMENTS", 20)
    formats.parse(data % (b"#\n" * 9), MAX_PIXELS)
    with pytest.raises(ImageError, match="too many comments") as raised:
        formats.parse(data % (b"#\n" * 30), MAX_PIXELS)
    assert raised.value.reason is Reason.DAMAGED


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
        (b"1 2 3 4 5 60#", ""),
        (b"1 2 3 4 5 6#", "truncated"),
        (b"1 2 3 4 5 #6 ", "truncated"),
        (b"1 2 3 #\nx 4 5 6 ", "damaged"),
        (b"1 2 3 4 5 60", ""),
        (b"1 2 3 4 5 26", ""),
        (b"1 2 3 4 5 25", "truncated"),  # of e.g. 255
        (b"1 2 3 4 5 0", ""),
        (b"1 2 3 4 5", "truncated"),
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


@pytest.mark.parametrize("end", [b"", b"#", b"#the end", b"\n"])
@pytest.mark.parametrize(("kind", "white"), [("P1", ""), ("P2", "1"), ("P2", "65535"), ("P3", "255")])
def test_after_the_last_number_no_space_is_needed(kind: str, white: str, end: bytes) -> None:
    level = white or "1"
    head = f"{kind} 4 4 {white}\n" + f"{level} " * (47 if kind == "P3" else 15)
    whole = decode.decode(f"{head}{level}\n".encode(), MAX_PIXELS)
    assert np.array_equal(decode.decode(f"{head}{level}".encode() + end, MAX_PIXELS), whole)


LEVELS = b" ".join(b"%d" % level for level in range(100, 116)) + b"\n"
RAW = bytes(range(100, 116))


@pytest.mark.parametrize(
    "data",
    [
        b"P2\n4#c\n4 255\n" + LEVELS,
        b"P2\n4 4 255#77\n" + LEVELS,
        b"P2\n4 4 25# \t7\n5\n" + LEVELS,
        b"P2\n4 4 255\n" + LEVELS.replace(b"103 ", b"103#7\n"),
        b"P3\n4 4 255\n" + LEVELS * 2 + LEVELS[:-1] + b"#7\n\n# the end\n9",
        b"P1\n4 4#1\n" + b"0 1 " * 8,
        b"P5\n4 4#1\n255\n" + RAW,
        b"P6\n4#4\n4 255\n" + RAW * 3,
        b"P5\n4 4\n255#c\n" + RAW,
        b"P5\n4 4\n255#\n" + RAW[:-1] + b"\0",
        b"P4\n8 4#\n" + RAW[:3] + b"\n",
    ],
)
def test_a_comment_that_touches_a_number_is_not_guessed_at(data: bytes) -> None:
    """For netpbm it ends the number, for its manual and Pillow not, and OpenCV reads numbers in it."""
    with pytest.raises(ImageError, match="comment") as caught:
        decode.decode(data, MAX_PIXELS)
    assert caught.value.reason == Reason.UNSUPPORTED


@pytest.mark.parametrize(
    "data",
    [
        b"P2 #1\n4 #2#3\n4# \r255 # 8#9\n" + LEVELS,
        b"P2\n4 4 255#\n" + LEVELS.replace(b"103 ", b"103#\n #7\n#8 9#10\n"),
        b"P2\n4 4 255\n" + LEVELS[:-1] + b"#7",
        b"P2\n4 4 255\n" + LEVELS[:-1] + b"#7\n\n# the end\n",
        b"P5\n4#\n4# \n255\n" + RAW,
    ],
)
def test_other_comments_do_no_harm(data: bytes) -> None:
    assert decode.decode(data, MAX_PIXELS).tobytes() == RAW
