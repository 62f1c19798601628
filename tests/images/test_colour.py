"""Ink and paper of equal brightness, in every format with colours; files whose brightness stays."""

import io
import struct
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.images import colour, decode
from batch.records import Grey
from formats import two

Bgr = npt.NDArray[np.uint8]
# Red, green and blue of paper and ink. Brightness differs by 12 at most.
EQUAL = {
    "orange on grey": ((145, 145, 145), (230, 120, 40)),
    "pink on green": ((140, 175, 120), (245, 125, 170)),
    "blue on brown": ((130, 80, 40), (60, 70, 250)),
    "yellow on white": ((255, 255, 255), (255, 252, 90)),
    "red on dark green": ((10, 90, 10), (180, 10, 30)),
    "cyan on rose": ((245, 170, 180), (120, 220, 225)),
}


def brightness(rgb: tuple[int, int, int]) -> float:
    return float(np.dot(rgb, (0.299, 0.587, 0.114)))


def draw(paper: tuple[int, int, int], ink: tuple[int, int, int], seed: int, side: int = 160) -> Bgr:
    """Draw a 2 with noise and a shadow: blue, green, red."""
    rng = np.random.default_rng(seed)
    weight = ((235 - two(side=48).astype(np.float32)) / 210)[..., None]
    weight = cv2.resize(weight, (side // 2, side // 2))[..., None]
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = paper
    top, left = rng.integers(side // 8, side // 3, 2)
    window = canvas[top : top + side // 2, left : left + side // 2]
    window += weight * (np.array(ink, np.float32) - window)
    canvas += np.linspace(-8, 8, side)[:, None, None] + rng.normal(0, 2, canvas.shape)
    return np.clip(canvas, 0, 255).astype(np.uint8)[..., ::-1].copy()


def truth(seed: int, side: int = 160) -> npt.NDArray[np.bool_]:
    return draw((255, 255, 255), (0, 0, 0), seed, side)[..., 0] < 127


def save(kind: str, bgr: Bgr) -> bytes:
    content = io.BytesIO()
    image = Pillow.fromarray(np.ascontiguousarray(bgr[..., ::-1]))
    if kind == "palette":
        image.quantize(128).save(content, "PNG")
    elif kind == "gif":
        image.quantize(128).save(content, "GIF")
    elif kind == "jpeg":
        image.save(content, "JPEG", quality=90)
    elif kind == "webp":
        image.save(content, "WEBP", quality=90)
    elif kind == "tiff 16":
        tifffile.imwrite(content, bgr[..., ::-1].astype(np.uint16) * 200, photometric="rgb")
    elif kind == "tiff planes 16":
        planes = np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)).astype(np.uint16) * 200
        tifffile.imwrite(content, planes, photometric="rgb", planarconfig="separate")
    elif kind == "png 16":
        return bytes(cv2.imencode(".png", bgr.astype(np.uint16) * 257)[1])
    elif kind == "ppm 16":
        return bytes(cv2.imencode(".ppm", bgr.astype(np.uint16) * 257)[1])
    elif kind == "plain ppm 16":
        rgb = bgr[..., ::-1].astype(np.uint16) * 257
        return f"P3 {bgr.shape[1]} {bgr.shape[0]} 65535\n{' '.join(map(str, rgb.ravel()))}\n".encode()
    else:
        image.save(content, kind)
    return content.getvalue()


KINDS_8 = ["PNG", "jpeg", "webp", "TIFF", "BMP", "PPM", "palette", "gif"]
KINDS = [*KINDS_8, "png 16", "tiff 16", "tiff planes 16", "ppm 16", "plain ppm 16"]


def agreement(grey: Grey, seed: int) -> float:
    """Return the share of ink and paper that a threshold in the middle tells apart, in either polarity."""
    ink = truth(seed, grey.shape[0])
    middle = (float(np.median(grey[ink])) + float(np.median(grey[~ink]))) / 2
    assert abs(float(np.median(grey[ink])) - float(np.median(grey[~ink]))) > 40
    right = float(np.mean((grey < middle) == ink))
    return max(right, 1 - right)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", EQUAL)
def test_ink_of_equal_brightness_is_told_from_paper(name: str, kind: str) -> None:
    for seed in range(2):
        grey = decode.decode(save(kind, draw(*EQUAL[name], seed)), MAX_PIXELS)
        assert agreement(grey, seed) > 0.98


@pytest.mark.parametrize("side", [64, 700, 3000])
def test_it_is_told_in_small_and_large_scans(side: int) -> None:
    grey = decode.decode(save("jpeg", draw(*EQUAL["pink on green"], 3, side)), MAX_PIXELS)
    reduced = cv2.resize(grey, (160, 160), interpolation=cv2.INTER_AREA)
    spread = cv2.absdiff(reduced, np.full_like(reduced, int(np.median(reduced))))
    assert 0.01 < np.mean(spread > 30) < 0.2


@pytest.mark.parametrize("name", EQUAL)
def test_an_image_and_its_inverse_are_inverse(name: str) -> None:
    image = draw(*EQUAL[name], 5)
    grey, inverse = colour.to_grey(image), colour.to_grey(255 - image)
    assert np.abs(grey.astype(int) - (255 - inverse.astype(int))).max() <= 2


@pytest.mark.parametrize("ink", [(20, 20, 20), (30, 40, 160), (190, 40, 50), (150, 150, 150)])
@pytest.mark.parametrize("kind", ["PNG", "jpeg", "TIFF", "BMP"])
def test_brightness_that_shows_the_ink_is_left(kind: str, ink: tuple[int, int, int]) -> None:
    data = save(kind, draw((240, 238, 225), ink, 1))
    brightness_alone = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert brightness_alone is not None
    assert np.array_equal(decode.decode(data, MAX_PIXELS), brightness_alone)


@pytest.mark.parametrize("kind", KINDS[:8])
def test_coloured_paper_alone_is_even(kind: str) -> None:
    grey = decode.decode(save(kind, draw((200, 230, 190), (200, 230, 190), 2)), MAX_PIXELS)
    assert np.ptp(cv2.blur(grey, (9, 9))) < 40


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


CHUNKS: dict[str, Callable[[], bytes]] = {
    "sRGB": lambda: chunk(b"sRGB", b"\0"),
    "gAMA": lambda: chunk(b"gAMA", struct.pack(">I", 45455)),
    "gAMA of 1": lambda: chunk(b"gAMA", struct.pack(">I", 100_000)),
    "cHRM": lambda: chunk(b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_colour_chunks_of_a_png_do_not_change_its_grey(name: str) -> None:
    rng = np.random.default_rng(0)
    coloured = rng.integers(0, 256, (60, 60, 3), np.uint8)
    for pixels in (coloured, np.ascontiguousarray(coloured[..., 0])):
        data = bytes(cv2.imencode(".png", pixels)[1])
        plain = decode.decode(data, MAX_PIXELS).astype(int)
        marked = decode.decode(data[:33] + CHUNKS[name]() + data[33:], MAX_PIXELS).astype(int)
        assert np.abs(plain - marked).max() <= 1


def test_a_grey_file_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(cv2.imencode(".png", np.full((40, 40), 200, np.uint8))[1])
    monkeypatch.setattr(colour, "shows_ink", lambda *_: pytest.fail("a grey file has no colours"))
    assert decode.decode(data, MAX_PIXELS).shape == (40, 40)
