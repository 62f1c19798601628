"""Ink and paper of equal brightness, in every format with colours; files whose brightness stays."""

import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.images import colour, decode
from batch.images.grey import from_pixels
from batch.records import Grey
from command import ROOT
from formats import png_chunk, two

Bgr = npt.NDArray[np.uint8]
# Red, green and blue of paper and ink. Brightness differs by 21 at most.
EQUAL = {
    "orange on grey": ((145, 145, 145), (230, 120, 40)),
    "pink on green": ((140, 175, 120), (245, 125, 170)),
    "blue on brown": ((130, 80, 40), (60, 70, 250)),
    "yellow on white": ((255, 255, 255), (255, 252, 90)),
    "red on dark green": ((10, 90, 10), (180, 10, 30)),
    "cyan on rose": ((245, 170, 180), (120, 220, 225)),
}


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
    elif kind == "webp lossless":
        image.save(content, "WEBP", lossless=True)
    elif kind == "tiff 16":
        tifffile.imwrite(content, bgr[..., ::-1].astype(np.uint16) * 257, photometric="rgb")
    elif kind == "tiff planes 16":
        planes = np.ascontiguousarray(bgr[..., ::-1].transpose(2, 0, 1)).astype(np.uint16) * 257
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


EXACT = ["PNG", "TIFF", "BMP", "PPM", "webp lossless", *KINDS[len(KINDS_8) :]]
PAIRS = {**EQUAL, "blue on white": ((240, 238, 225), (30, 40, 160)), "bright": ((128, 127, 128), (9, 0, 7))}


@pytest.mark.parametrize("kind", EXACT)
@pytest.mark.parametrize("name", PAIRS)
def test_an_image_and_its_inverse_are_inverse(name: str, kind: str) -> None:
    image = draw(*PAIRS[name], 5)
    grey, inverse = (decode.decode(save(kind, pixels), MAX_PIXELS) for pixels in (image, 255 - image))
    assert np.array_equal(grey, 255 - inverse)


@pytest.mark.parametrize("name", PAIRS)
def test_the_inverse_of_a_transparent_image_is_inverse(name: str) -> None:
    image, alpha = draw(*PAIRS[name], 5), np.full((160, 160), 255, np.uint8)
    alpha[:20], alpha[:, 150:] = 0, 77
    files = (cv2.imencode(".png", np.dstack([pixels, alpha]))[1] for pixels in (image, 255 - image))
    grey, inverse = (decode.decode(bytes(file), MAX_PIXELS) for file in files)
    assert np.array_equal(grey, 255 - inverse)


# Brightness tells ink from paper, and the colours differ much more.
VIVID = {
    "rose on green": ((30, 221, 21), (251, 211, 245)),
    "violet on green": ((100, 180, 76), (210, 5, 251)),
    "pink on blue": ((90, 90, 255), (255, 90, 200)),
}


@pytest.mark.parametrize("name", [*PAIRS, *VIVID])
def test_an_opaque_alpha_changes_nothing(name: str) -> None:
    image = draw(*(PAIRS | VIVID)[name], 5)
    rgba = np.dstack([image[..., ::-1], np.full(image.shape[:2], 255, np.uint8)])
    tiff, webp = io.BytesIO(), io.BytesIO()
    tifffile.imwrite(tiff, rgba, photometric="rgb", extrasamples=["unassalpha"])
    Pillow.fromarray(rgba).save(webp, "WEBP", lossless=True)
    bgra = rgba[..., [2, 1, 0, 3]]
    files = [tiff.getvalue(), webp.getvalue(), bytes(cv2.imencode(".png", bgra)[1])]
    greys = [from_pixels(bgra, MAX_PIXELS), *(decode.decode(file, MAX_PIXELS) for file in files)]
    expected = decode.decode(save("PNG", image), MAX_PIXELS)
    assert [np.array_equal(grey, expected) for grey in greys] == [True] * 4
    deep = image.astype(np.uint16) * 257
    expected = decode.decode(bytes(cv2.imencode(".png", deep)[1]), MAX_PIXELS)
    deep = np.dstack([deep, np.full(image.shape[:2], 65535, np.uint16)])
    assert np.array_equal(decode.decode(bytes(cv2.imencode(".png", deep)[1]), MAX_PIXELS), expected)


def test_the_inverse_of_an_image_of_wide_pixels_is_inverse() -> None:
    image = draw(*PAIRS["blue on white"], 5)
    files = (save("PNG", pixels) for pixels in (image, 255 - image))
    wide = png_chunk(b"pHYs", struct.pack(">IIB", 3900, 8000, 1))
    grey, inverse = (decode.decode(file[:33] + wide + file[33:], MAX_PIXELS) for file in files)
    assert grey.shape == (160, 328) and np.array_equal(grey, 255 - inverse)


def test_of_an_image_and_its_inverse_one_is_dark() -> None:
    half = np.zeros((4, 6, 3), np.uint8)
    half[:2] = 255
    for image in (half, half[..., :1].repeat(4, 2), half[..., 0].copy()):
        inverse = image.copy()
        colour.invert(inverse)
        assert colour.is_dark(image) != colour.is_dark(inverse)


def test_the_page_says_how_much_colours_must_differ() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert f"differ by some {colour._C.min_contrast:.0f} of 255 levels" in page


def test_the_array_of_a_program_stays_as_it_is() -> None:
    image = draw((20, 30, 40), (200, 210, 190), 5)
    before = image.copy()
    from_pixels(image, MAX_PIXELS)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("ink", [(20, 20, 20), (30, 40, 160), (190, 40, 50), (150, 150, 150)])
@pytest.mark.parametrize("kind", ["PNG", "jpeg", "TIFF", "BMP"])
def test_brightness_that_shows_the_ink_is_left(kind: str, ink: tuple[int, int, int]) -> None:
    data = save(kind, draw((240, 238, 225), ink, 1))
    is_jpeg = kind == "jpeg"
    flags = cv2.IMREAD_GRAYSCALE if is_jpeg else cv2.IMREAD_COLOR
    brightness_alone = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    assert brightness_alone is not None
    if not is_jpeg:
        brightness_alone = cv2.cvtColor(brightness_alone, cv2.COLOR_BGR2GRAY)
    assert np.array_equal(decode.decode(data, MAX_PIXELS), brightness_alone)


@pytest.mark.parametrize("kind", KINDS[:8])
def test_coloured_paper_alone_is_even(kind: str) -> None:
    grey = decode.decode(save(kind, draw((200, 230, 190), (200, 230, 190), 2)), MAX_PIXELS)
    assert np.ptp(cv2.blur(grey, (9, 9))) < 40


CHUNKS: dict[str, Callable[[], bytes]] = {
    "sRGB": lambda: png_chunk(b"sRGB", b"\0"),
    "gAMA": lambda: png_chunk(b"gAMA", struct.pack(">I", 45455)),
    "gAMA of 1": lambda: png_chunk(b"gAMA", struct.pack(">I", 100_000)),
    "cHRM": lambda: png_chunk(
        b"cHRM", struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    ),
}


@pytest.mark.parametrize("name", CHUNKS)
def test_colour_chunks_of_a_png_do_not_change_its_grey(name: str) -> None:
    rng = np.random.default_rng(0)
    coloured = rng.integers(0, 256, (60, 60, 3), np.uint8)
    for image in (coloured, np.ascontiguousarray(coloured[..., 0])):
        data = bytes(cv2.imencode(".png", image)[1])
        marked = decode.decode(data[:33] + CHUNKS[name]() + data[33:], MAX_PIXELS)
        assert np.array_equal(decode.decode(data, MAX_PIXELS), marked)


@pytest.mark.parametrize("kind", EXACT[1:5])
def test_the_same_colours_have_one_grey_in_all_formats(kind: str) -> None:
    image = draw(*PAIRS["blue on white"], 5)
    png, other = (decode.decode(save(name, image), MAX_PIXELS) for name in ("PNG", kind))
    assert np.array_equal(png, other)


def test_a_grey_file_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytes(cv2.imencode(".png", np.full((40, 40), 200, np.uint8))[1])
    monkeypatch.setattr(colour, "shows_ink", lambda *_: pytest.fail("a grey file has no colours"))
    assert decode.decode(data, MAX_PIXELS).shape == (40, 40)
