"""HEIC, AVIF, JPEG 2000 and JPEG XL, as phones and archives write them."""

import io
import sys
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images import decode, formats
from batch.records import Grey, Image, Reason
from formats import PHOTO_FORMATS, two


def is_alike(image: Grey, expected: Grey) -> bool:
    return image.shape == expected.shape and bool(np.mean((image > 127) == (expected > 127)) > 0.98)


def reason_of(data: bytes, max_pixels: int = MAX_PIXELS) -> Reason | None:
    image = decode.decode_content(data, max_pixels)
    return image.reason if isinstance(image, ImageError) else None


@pytest.mark.parametrize("inverted", [False, True], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("name", PHOTO_FORMATS)
def test_photos_are_read(name: str, inverted: bool) -> None:
    grey = 255 - two() if inverted else two()
    assert is_alike(decode.decode(PHOTO_FORMATS[name](grey), MAX_PIXELS), grey)


@pytest.mark.parametrize("name", PHOTO_FORMATS)
def test_without_the_extra_they_are_unsupported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = PHOTO_FORMATS[name](two())
    for module in ("imagecodecs", "pi_heif"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError) as caught:
        decode.decode(data, MAX_PIXELS)
    assert caught.value.reason is Reason.UNSUPPORTED
    assert "pip install 'digitbox[formats]'" in caught.value.detail


@pytest.mark.parametrize("name", PHOTO_FORMATS)
def test_half_a_photo_is_truncated(name: str) -> None:
    data = PHOTO_FORMATS[name](two(side=300))
    assert reason_of(data[: len(data) * 2 // 3]) is Reason.TRUNCATED
    in_zeros = data[: len(data) * 2 // 3] + bytes(len(data) // 3)
    assert reason_of(in_zeros) in (Reason.TRUNCATED, Reason.DAMAGED)


@pytest.mark.parametrize("name", PHOTO_FORMATS)
def test_the_size_is_known_before_the_pixels_are_decoded(name: str) -> None:
    data = PHOTO_FORMATS[name](two()[:40])
    container = formats.parse(data, MAX_PIXELS)
    # The encoder of HEIC adds pixels, and says how many to cut off.
    assert (container.width_px, container.height_px) == ((64, 64) if "HEIC" in name else (48, 40))
    assert reason_of(data, 40 * 47) is Reason.TOO_LARGE


def test_the_images_of_a_heic_are_pages() -> None:
    file = pillow_heif.from_pillow(Pillow.fromarray(two()).convert("RGB"))
    file.add_from_pillow(Pillow.fromarray(255 - two()).convert("RGB"))
    content = io.BytesIO()
    file.save(content, quality=95)
    found = list(decode.decode_pages(content.getvalue(), MAX_PIXELS))
    assert [page.page for page in found] == [1, 2]
    for page, expected in zip(found, (two(), 255 - two()), strict=True):
        assert isinstance(page, Image) and is_alike(page.grey, expected)


def test_a_heic_without_a_picture_is_damage() -> None:
    data = PHOTO_FORMATS["HEIC"](two()).replace(b"hvcC", b"none")
    assert reason_of(data) is Reason.DAMAGED


@pytest.mark.parametrize("level", ["SILENT", "WARNING"])
def test_damage_inside_an_avif_is_noticed(level: str) -> None:
    data = PHOTO_FORMATS["AVIF"](two(side=300))
    start, found = data.index(b"mdat") + 60, []
    before = cv2.utils.logging.setLogLevel(getattr(cv2.utils.logging, f"LOG_LEVEL_{level}"))
    try:
        for place in range(start, len(data) - 60, 40):
            damaged = bytearray(data)
            damaged[place] ^= 0x55
            found.append(reason_of(bytes(damaged)))
    finally:
        cv2.utils.logging.setLogLevel(before)
    assert found.count(Reason.DAMAGED) > 0.9 * len(found) > 20


def levels_of(grey: Grey, bits: int) -> npt.NDArray[Any]:
    levels = np.rint(grey / 255 * ((1 << bits) - 1))
    return levels.astype(np.uint8 if bits <= 8 else np.uint16)


ENCODERS = {
    "JPEG 2000": lambda levels, bits: imagecodecs.jpeg2k_encode(
        levels, bitspersample=bits, reversible=True, level=0
    ),
    "JPEG XL": lambda levels, bits: imagecodecs.jpegxl_encode(levels, bitspersample=bits, lossless=True),
}


@pytest.mark.parametrize("has_alpha", [False, True], ids=["opaque", "alpha"])
@pytest.mark.parametrize("bits", [1, 2, 4, 7, 8, 9, 10, 12, 15, 16])
@pytest.mark.parametrize("name", ENCODERS)
def test_levels_of_any_depth_keep_their_contrast(name: str, bits: int, has_alpha: bool) -> None:
    grey = two(235, 20)
    levels = levels_of(grey, bits)
    if has_alpha:
        levels = np.dstack([levels, levels, levels, np.full_like(levels, (1 << bits) - 1)])
    found = decode.decode(bytes(ENCODERS[name](levels, bits)), MAX_PIXELS)
    assert is_alike(found, grey) and np.ptp(found) > 200


def test_a_jpeg_ls_is_unsupported() -> None:
    data = bytes(imagecodecs.jpegls_encode(two()))
    begins = data.index(b"\xff\xf7")
    assert reason_of(data) is reason_of(b"\xff\xd8" + data[begins:]) is Reason.UNSUPPORTED


def test_a_moving_jpeg_xl_is_unsupported() -> None:
    data = bytes(imagecodecs.jpegxl_encode(np.stack([np.dstack([two()] * 3)] * 2)))
    assert reason_of(data) is Reason.UNSUPPORTED
