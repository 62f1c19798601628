import dataclasses

import numpy as np
import pytest

from batch.preprocessing.ink import find_ink
from batch.preprocessing.quality import check_single_digit
from batch.training.rendering import non_digits, strokes
from batch.training.rendering.appearance import Appearance, random_appearance
from batch.training.rendering.render import render


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


DIGIT = strokes.draw(2, rng())

APPEARANCES = {
    "plain": Appearance(),
    "elastic": Appearance(elastic_fraction=0.03),
    "own grey": Appearance(ink_softness=None),
    "thin": Appearance(pen_change_fraction=-0.03),
    "thick": Appearance(pen_change_fraction=0.04),
    "pencil": Appearance(ink=40, ink_texture=0.3, ink_blotches=0.2),
    "lit": Appearance(light=(0.2, -0.2, 0.1), shadow=0.4, stains=4),
    "box": Appearance(borders=(150, 150, 150, 150), line_slope=0.02),
    "squared": Appearance(ruling_step_fraction=0.3, ruling=30, squared=True),
    "specks": Appearance(specks=6, neighbours=2),
    "comb": Appearance(borders=(0, 150, 150, 150), border_height_fraction=0.4),
    "dashed": Appearance(borders=(150, 0, 150, 0), borders_dashed=True),
    "print": Appearance(digit_fraction=0.5, print=0.5),
    "bleed": Appearance(bleed=0.15),
    "drops": Appearance(drops=4),
    "salt": Appearance(salt=0.03),
    "outlined": Appearance(outlined=True),
    "moved": Appearance(motion_px=6),
    "small": Appearance(resolution=0.4),
    "small and back": Appearance(resolution=0.4, enlarged=True),
    "fax": Appearance(fax=True),
    "jpeg": Appearance(jpeg_quality=30, blur_px=1),
    "inverted": Appearance(inverted=True),
    "cut out": Appearance(cut_out=True, digit_fraction=1.0),
}


@pytest.mark.parametrize("name", APPEARANCES)
def test_each_appearance_gives_a_legible_scan(name: str) -> None:
    scan = render(DIGIT, APPEARANCES[name], rng())
    assert scan.dtype == np.uint8
    assert min(scan.shape) >= 20
    ink = find_ink(scan)
    assert check_single_digit(ink) is None
    assert ink.polarity == ("light_on_dark" if name == "inverted" else "dark_on_light")


@pytest.mark.parametrize("label", [1, 0, 4])
def test_a_cut_out_scan_has_ink_at_every_edge(label: int) -> None:
    scan = render(strokes.draw(label, rng()), Appearance(cut_out=True, digit_fraction=1.0), rng())
    assert max(scan.shape) == 80
    for edge in (scan[:3], scan[-3:], scan[:, :3], scan[:, -3:]):
        assert edge.min() < 150


def test_the_same_seed_gives_the_same_scan() -> None:
    first, second, other = (render(DIGIT, random_appearance(rng(s)), rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_render_follows_the_appearance() -> None:
    bright = render(DIGIT, Appearance(paper=200, ink=100, grain=0), rng())
    assert (bright.max(), bright.min()) == (200, 100)
    assert render(DIGIT, Appearance(height_px=50, width_px=70), rng()).shape == (50, 70)
    clean = Appearance(paper=255, ink=255, grain=0)
    inverse = dataclasses.replace(clean, inverted=True)
    assert np.array_equal(render(DIGIT, clean, rng()), 255 - render(DIGIT, inverse, rng()))


def test_every_random_appearance_can_be_rendered() -> None:
    generator = rng()
    for _ in range(300):
        scan = render(DIGIT, random_appearance(generator), generator)
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
    for draw in non_digits.KINDS.values():
        for _ in range(20):
            picture = draw(generator, digits)
            assert picture.dtype == np.uint8
            assert picture.ndim == 2
    assert non_digits.picture(generator).ndim == 2


def test_a_curve_passes_through_its_points() -> None:
    points = np.array([[0.0, 0.0], [1.0, 2.0], [3.0, 1.0]])
    line = strokes.curve(points)
    for point in points:
        assert np.abs(line - point).sum(axis=1).min() < 1e-9
