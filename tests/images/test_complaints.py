"""Damage that a decoder only prints a message about, and messages that are no damage."""

import os
import struct
import zlib
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, pixels
from batch.records import TRANSIENT, Reason
from batch.terminal import stderr
from formats import EXTRA_FORMATS, FORMATS, two

COMPRESSED = [
    "tiff-g3",
    "tiff-g4",
    "tiff-lzw",
    "tiff-deflate",
    "tiff-packbits",
    "tiff-jpeg",
    "jpeg-rgb",
    "png-8",
]


def decoders_say(data: bytes) -> bytes:
    """Return what OpenCV's decoders print."""
    with stderr.capture() as messages:
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH)
    return messages[0] if messages else b""


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip a bit of the pixels; those of a PNG get the right checksum."""
    if data.startswith(b"\x89PNG"):
        start = data.index(b"IDAT")
        (length,) = struct.unpack_from(">I", data, start - 4)
        content = bytearray(data)
        content[start + 4 + int(rng.integers(length))] ^= 1 << int(rng.integers(8))
        body = bytes(content[start : start + 4 + length])
        struct.pack_into(">I", content, start + 4 + length, zlib.crc32(body))
        return bytes(content)
    content = bytearray(data)
    content[int(rng.integers(len(data) // 3, len(data) * 2 // 3))] ^= 1 << int(rng.integers(8))
    return bytes(content)


@pytest.mark.parametrize("level", ["LOG_LEVEL_SILENT", "LOG_LEVEL_WARNING"])
@pytest.mark.parametrize("name", COMPRESSED)
def test_damage_that_a_decoder_reports_fails(name: str, level: str) -> None:
    rng = np.random.default_rng(sum(name.encode()))
    log = cv2.utils.logging
    before, complaints = log.getLogLevel(), 0
    for _ in range(60):
        data = flip(FORMATS[name](two(side=100)), rng)
        message = decoders_say(data)
        is_complaint = b"TIFF_" in message or b"orrupt" in message or b"libpng" in message
        if not is_complaint or b"TIFFRead" in message or b"TIFFFetch" in message:
            continue
        complaints += 1
        log.setLogLevel(getattr(log, level))
        try:
            with pytest.raises(ImageError) as caught:
                decode.decode(data, MAX_PIXELS)
            assert log.getLogLevel() == getattr(log, level)
        finally:
            log.setLogLevel(before)
        assert caught.value.reason in (Reason.DAMAGED, Reason.TRUNCATED)
    assert complaints >= 5


def test_bytes_too_many_inside_a_jpeg_are_damage() -> None:
    data = FORMATS["jpeg-grey"](two(side=200))
    with pytest.raises(ImageError) as caught:
        decode.decode(data[:-2] + b"\x12\x34\x56" * 9 + data[-2:], MAX_PIXELS)
    assert caught.value.reason is Reason.DAMAGED


@pytest.mark.parametrize("name", [*FORMATS, *EXTRA_FORMATS])
def test_intact_files_raise_no_alarm(name: str) -> None:
    write = (FORMATS | EXTRA_FORMATS)[name]
    for side in (32, 75, 200):
        for image in (two(side=side), 255 - two(side=side), np.full((side, side), 255, np.uint8)):
            assert decode.decode(write(image), MAX_PIXELS).shape == (side, side)


def test_unknown_tags_of_a_tiff_raise_no_alarm() -> None:
    data = bytearray(FORMATS["tiff-big-endian"](two()))
    (directory,) = struct.unpack_from(">I", data, 4)
    (count,) = struct.unpack_from(">H", data, directory)
    struct.pack_into(">H", data, directory, count + 1)
    entry = struct.pack(">HHII", 65001, 4, 1, 7)
    data[-4:-4] = entry
    assert b"Unknown field" in decoders_say(bytes(data))
    assert decode.decode(bytes(data), MAX_PIXELS).shape == (48, 48)


@pytest.mark.parametrize(
    "error", [MemoryError(), cv2.error("Failed to allocate 64000000 bytes")], ids=["python", "opencv"]
)
def test_too_little_memory_is_transient(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(error, cv2.error):
        error.code, error.err = cv2.Error.StsNoMem, "Failed to allocate 64000000 bytes"

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(ImageError) as caught:
        decode.decode(FORMATS["png-8"](two()), MAX_PIXELS)
    assert caught.value.reason in TRANSIENT


def test_too_little_memory_that_opencv_prints_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        os.write(2, b"imdecode_(''): can't read data: OpenCV(5.0.0) error: (-4:Insufficient memory) Failed")

    monkeypatch.setattr(pixels, "cv2", SimpleNamespace(**{**vars(cv2), "imdecode": fail}))
    with pytest.raises(ImageError) as caught:
        decode.decode(FORMATS["png-8"](two()), MAX_PIXELS)
    assert caught.value.reason is Reason.NO_MEMORY


@pytest.mark.parametrize("name", ["jpeg-grey", "png-8", "tiff-lzw"])
def test_a_decoder_of_another_thread_is_no_damage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    imdecode, calls = cv2.imdecode, 0

    def decode_beside_another(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:  # what the other thread decodes is soon over
            os.write(2, b"Corrupt JPEG data: premature end of data segment\n")
        return imdecode(*arguments)

    monkeypatch.setattr(pixels, "cv2", SimpleNamespace(**{**vars(cv2), "imdecode": decode_beside_another}))
    assert decode.decode(FORMATS[name](two()), MAX_PIXELS).shape == (48, 48)
