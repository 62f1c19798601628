import dataclasses

import numpy as np
import pytest

from batch.digits import preprocess, quality
from batch.learn import not_digits, strokes
from batch.learn.looks import Look, random_look
from batch.learn.render import render


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


DIGIT = strokes.draw(2, rng())

LOOKS = {
    "plain": Look(),
    "elastic": Look(elastic_fraction=0.03),
    "own grey": Look(ink_softness=None),
    "thin": Look(pen_change_fraction=-0.03),
    "thick": Look(pen_change_fraction=0.04),
    "pencil": Look(ink=40, ink_texture=0.3, ink_blotches=0.2),
    "lit": Look(light=(0.2, -0.2, 0.1), shadow=0.4, stains=4),
    "box": Look(borders=(150, 150, 150, 150), line_slope=0.02),
    "squared": Look(ruling_step_fraction=0.3, ruling=30, squared=True),
    "specks": Look(specks=6, neighbours=2),
    "comb": Look(borders=(0, 150, 150, 150), border_height_fraction=0.4),
    "dashed": Look(borders=(150, 0, 150, 0), borders_dashed=True),
    "print": Look(digit_fraction=0.5, print=0.5),
    "bleed": Look(bleed=0.15),
    "drops": Look(drops=4),
    "salt": Look(salt=0.03),
    "outlined": Look(outlined=True),
    "moved": Look(motion_px=6),
    "small": Look(resolution=0.4),
    "small and back": Look(resolution=0.4, enlarged=True),
    "fax": Look(fax=True),
    "jpeg": Look(jpeg_quality=30, blur_px=1),
    "inverted": Look(inverted=True),
    "cut out": Look(cut_out=True, digit_fraction=1.0),
}


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_gives_a_legible_scan(name: str) -> None:
    scan = render(DIGIT, LOOKS[name], rng())
    assert scan.dtype == np.uint8
    assert min(scan.shape) >= 20
    ink = preprocess.find_ink(scan)
    assert quality.inspect(ink) is None
    assert ink.polarity == ("light_on_dark" if name == "inverted" else "dark_on_light")


@pytest.mark.parametrize("label", [1, 0, 4])
def test_a_scan_cut_out_along_the_digit_has_ink_at_every_edge(label: int) -> None:
    scan = render(strokes.draw(label, rng()), Look(cut_out=True, digit_fraction=1.0), rng())
    assert max(scan.shape) == 80
    for edge in (scan[:3], scan[-3:], scan[:, :3], scan[:, -3:]):
        assert edge.min() < 150


def test_the_same_seed_gives_the_same_scan() -> None:
    first, second, other = (render(DIGIT, random_look(rng(s)), rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_look_is_what_is_rendered() -> None:
    bright = render(DIGIT, Look(paper=200, ink=100, grain=0), rng())
    assert (bright.max(), bright.min()) == (200, 100)
    assert render(DIGIT, Look(height_px=50, width_px=70), rng()).shape == (50, 70)
    clean = Look(paper=255, ink=255, grain=0)
    inverse = dataclasses.replace(clean, inverted=True)
    assert np.array_equal(render(DIGIT, clean, rng()), 255 - render(DIGIT, inverse, rng()))


def test_random_looks_never_fail() -> None:
    generator = rng()
    for _ in range(300):
        scan = render(DIGIT, random_look(generator), generator)
        assert scan.dtype == np.uint8
        assert 8 <= min(scan.shape) <= max(scan.shape) <= 200


@pytest.mark.parametrize("label", range(10))
def test_every_digit_can_be_drawn(label: int) -> None:
    generator = rng(label)
    for _ in range(30):
        picture = strokes.draw(label, generator)
        assert picture.shape == (64, 64)
        assert 0.01 < (picture > 128).mean() < 0.5


def test_things_that_are_no_digit_can_be_drawn() -> None:
    generator, digits = rng(), np.stack([strokes.draw(label, rng(label)) for label in range(10)])
    for _ in range(200):
        picture = not_digits.draw(generator, digits)
        assert picture.dtype == np.uint8
        assert picture.ndim == 2
        assert not_digits.picture(generator).ndim == 2


def test_a_curve_passes_through_its_points() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    line = strokes.curve(points)
    for point in points:
        assert np.abs(line - point).sum(axis=1).min() < 1e-9
