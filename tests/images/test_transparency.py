"""Slips of paper on transparent ground, ink on transparent ground, and PNGs with a transparent grey."""

import io

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow

from batch.config import MAX_PIXELS
from batch.images import decode
from batch.images.transparency import put_on_paper
from batch.records import Grey
from formats import two

SIDE = 120


def outline(shape: str, rng: np.random.Generator) -> Grey:
    """Draw a slip: 255 where there is paper."""
    alpha = np.zeros((SIDE, SIDE), np.uint8)
    if shape == "circle":
        cv2.circle(alpha, (60, 60), 52, 255, -1, cv2.LINE_AA)
    elif shape == "turned":
        box = cv2.boxPoints(((60, 60), (92, 78), float(rng.uniform(-30, 30))))
        cv2.fillPoly(alpha, [box.astype(np.int32)], 255, cv2.LINE_AA)
    elif shape == "torn":
        edge = [(x, int(8 + rng.integers(0, 8))) for x in range(8, 113, 8)]
        foot = [(x, int(104 + rng.integers(0, 8))) for x in range(112, 7, -8)]
        cv2.fillPoly(alpha, [np.array(edge + foot, np.int32)], 255)
    else:  # the corners alone are cut
        alpha[:] = 255
        for corner in ((0, 0), (0, SIDE), (SIDE, 0), (SIDE, SIDE)):
            cv2.circle(alpha, corner, 20, 0, -1)
    return alpha


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("paper", "ink"), [(235, 25), (250, 120), (20, 230), (110, 10)])
@pytest.mark.parametrize("shape", ["circle", "turned", "torn", "corners"])
@pytest.mark.parametrize("opaque", [255, 140])
def test_a_slip_lies_on_paper_of_its_own(shape: str, paper: int, ink: int, opaque: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    slip = np.full((SIDE, SIDE), paper, np.uint8)
    slip[36:84, 36:84] = two(paper, ink)
    alpha = outline(shape, rng)
    hidden = rng.integers(0, 256, slip.shape, np.uint8)
    image = put_on_paper(
        np.where(alpha > 0, slip, hidden), (alpha.astype(int) * opaque // 255).astype(np.uint8)
    )
    middle = (paper + ink) / 2
    is_ink = image < middle if ink < paper else image > middle
    expected = slip < middle if ink < paper else slip > middle
    if opaque == 255:
        assert np.mean(is_ink == expected) > 0.995
    assert abs(int(np.median(image)) - int(image[0, 0])) <= 3  # the ground has the level of the paper


@pytest.mark.parametrize("level", [0, 255, 128])
def test_ink_alone_is_put_on_white_or_black(level: int) -> None:
    alpha = 235 - two()
    image = put_on_paper(np.full_like(alpha, level), alpha)
    assert image[0, 0] == (0 if level > 127 else 255)


def test_an_empty_slip_is_blank() -> None:
    alpha = outline("circle", np.random.default_rng(0))
    assert np.ptp(put_on_paper(np.full((SIDE, SIDE), 240, np.uint8), alpha)) <= 2


def test_a_digit_cut_out_of_paper_stays() -> None:
    alpha = two(paper=255, ink=0, side=SIDE)
    image = put_on_paper(np.full((SIDE, SIDE), 255, np.uint8), alpha)
    assert np.mean((image > 127) == (alpha > 127)) > 0.99


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("colours", [((250, 240, 200), (20, 40, 160)), ((40, 60, 40), (230, 230, 90))])
def test_a_coloured_slip_in_a_file(kind: str, colours: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    slip = np.empty((SIDE, SIDE, 3), np.uint8)
    slip[:] = colours[0]
    slip[36:84, 36:84][two() < 127] = colours[1]
    pixels = np.dstack([slip, outline("circle", np.random.default_rng(1))])
    content = io.BytesIO()
    Pillow.fromarray(pixels).save(content, kind, lossless=True)
    image = decode.decode(content.getvalue(), MAX_PIXELS)
    is_ink = np.abs(image.astype(int) - int(image[0, 0])) > 60
    expected = np.zeros_like(is_ink)
    expected[36:84, 36:84] = two() < 127
    assert np.mean(is_ink == expected) > 0.99


@pytest.mark.parametrize("mode", ["1", "L", "I;16"])
def test_a_transparent_grey_is_paper(mode: str) -> None:
    ink = np.where(two() < 127, 255, 0).astype(np.uint8)  # light ink; the black ground is transparent
    image = Pillow.fromarray(ink.astype(np.uint16) * 257 if mode == "I;16" else ink)
    content = io.BytesIO()
    (image.convert("1") if mode == "1" else image).save(content, "PNG", transparency=0)
    assert decode.decode(content.getvalue(), MAX_PIXELS)[0, 0] == 0
    content = io.BytesIO()
    dark = 255 - ink  # dark ink; the white ground is transparent
    image = Pillow.fromarray(dark.astype(np.uint16) * 257 if mode == "I;16" else dark)
    white = {"1": 1, "L": 255, "I;16": 65535}[mode]
    (image.convert("1") if mode == "1" else image).save(content, "PNG", transparency=white)
    decoded = decode.decode(content.getvalue(), MAX_PIXELS)
    assert decoded[0, 0] == 255 and decoded.min() == 0


@pytest.mark.parametrize("ink", [0, 255], ids=["dark", "light"])
def test_thick_strokes_on_transparent_ground_are_no_slip(
    ink: int, mnist_test: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
) -> None:
    images, _ = mnist_test
    blank = 0
    for image in images[:300]:
        alpha = np.asarray(cv2.resize(image, (56, 56)), np.uint8)
        grey = put_on_paper(np.full_like(alpha, ink), alpha)
        blank += int(grey.max()) - int(grey.min()) < 40
    assert blank <= 3
