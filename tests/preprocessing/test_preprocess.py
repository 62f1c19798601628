"""The way from a scan to the model's input, on drawn digits."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.preprocessing import preprocess
from batch.records import Grey, Polarity, PreprocessSpec

BOXED = PreprocessSpec(views=("boxed",))
BOTH = PreprocessSpec(views=("boxed", "context"))


def draw(text: str = "5", size: int = 100, paper: int = 230, ink: int = 40, width: int = 5) -> Grey:
    """A digit in the middle of plain paper."""
    scan = np.full((size, size), paper, np.uint8)
    scale = size / 40
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, width)
    origin = (size - wide) // 2, (size + high) // 2
    cv2.putText(scan, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, width, cv2.LINE_AA)
    return scan


def digit_of(scan: Grey) -> Grey:
    return preprocess.normalise(preprocess.find_ink(scan), BOXED)[..., 0]


def likeness(one: Grey, other: Grey) -> float:
    """Correlation of two digits, 1 for equal ones."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def with_grain(scan: Grey) -> Grey:
    grain = np.random.default_rng(0).normal(0, 4, scan.shape)
    return np.clip(scan + grain, 0, 255).astype(np.uint8)


def shaded(scan: Grey) -> Grey:
    light = np.linspace(1.0, 0.45, scan.shape[1])
    return (scan * light).astype(np.uint8)


def with_shadow_edge(scan: Grey) -> Grey:
    light = np.ones(scan.shape, np.float32)
    light[:, : scan.shape[1] // 3] = 0.6
    return (scan * cv2.GaussianBlur(light, (0, 0), 4)).astype(np.uint8)


def boxed(scan: Grey) -> Grey:
    framed = with_grain(scan)
    cv2.rectangle(framed, (2, 2), (scan.shape[1] - 3, scan.shape[0] - 3), 20, 4)
    return framed


def with_corner(scan: Grey) -> Grey:
    framed = with_grain(scan)
    framed[:4] = framed[:, -5:] = 15
    return framed


def ruled(scan: Grey) -> Grey:
    lined = with_grain(scan)
    for y in range(12, scan.shape[0], 25):
        lined[y] = np.minimum(lined[y], 160)
    return lined


def with_specks(scan: Grey) -> Grey:
    specked = with_grain(scan)
    for y, x in np.random.default_rng(1).integers(2, scan.shape[0] - 3, (12, 2)):
        specked[y, x] = 60
    return specked


def corner_of_a_large_scan(scan: Grey) -> Grey:
    large = np.full((900, 700), 230, np.uint8)
    large[30:130, 560:660] = scan
    return with_grain(large)


@pytest.mark.parametrize(
    "spoil",
    [
        with_grain,
        shaded,
        with_shadow_edge,
        boxed,
        with_corner,
        ruled,
        with_specks,
        corner_of_a_large_scan,
    ],
)
@pytest.mark.parametrize("text", ["2", "5", "8"])
def test_the_digit_survives_what_paper_and_light_do(spoil: Callable[[Grey], Grey], text: str) -> None:
    clean = digit_of(draw(text))
    assert likeness(digit_of(spoil(draw(text))), clean) > 0.7


@given(
    paper=st.integers(60, 255),
    contrast=st.integers(30, 200),
    text=st.sampled_from("0123456789"),
    size=st.integers(40, 140),
)
@settings(max_examples=60, deadline=None)
def test_an_image_and_its_inverse_give_the_same_digit(
    paper: int, contrast: int, text: str, size: int
) -> None:
    scan = draw(text, size, paper, max(0, paper - contrast), max(1, size // 20))
    ink, inverse = preprocess.find_ink(scan), preprocess.find_ink(255 - scan)
    assert ink.polarity is Polarity.DARK_ON_LIGHT
    assert inverse.polarity is Polarity.LIGHT_ON_DARK
    assert np.array_equal(preprocess.normalise(ink, BOTH), preprocess.normalise(inverse, BOTH))


@given(down=st.integers(0, 40), right=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_shifting_the_digit_changes_nothing(down: int, right: int) -> None:
    page = np.full((110, 110), 240, np.uint8)
    glyph = draw("7", 60, 240)
    page[down : down + 60, right : right + 60] = glyph
    middle = np.full((110, 110), 240, np.uint8)
    middle[25:85, 25:85] = glyph
    assert np.array_equal(digit_of(page), digit_of(middle))


def test_brightness_and_contrast_of_clean_scans_do_not_matter() -> None:
    assert likeness(digit_of(draw(paper=140, ink=90)), digit_of(draw(paper=255, ink=0))) > 0.98


@pytest.mark.parametrize("size", [8, 16, 28, 64, 400, 2000])
def test_digits_of_any_size_fill_the_box(size: int) -> None:
    scan = cv2.resize(draw("8", 200, width=18), (size, size), interpolation=cv2.INTER_AREA)
    digit = digit_of(scan)
    rows = np.flatnonzero(digit.max(axis=1) > 30)
    assert digit.shape == (28, 28)
    assert 18 <= rows[-1] - rows[0] + 1 <= 20


def test_the_centre_of_mass_is_in_the_middle() -> None:
    moments = cv2.moments(digit_of(draw("4")))
    assert abs(moments["m10"] / moments["m00"] - 14) <= 0.5
    assert abs(moments["m01"] / moments["m00"] - 14) <= 0.5


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_paper_has_no_ink(level: int) -> None:
    assert preprocess.find_ink(np.full((50, 60), level, np.uint8)).is_blank


def test_a_one_as_tall_as_its_image_is_not_taken_for_a_border() -> None:
    scan = with_grain(np.full((80, 40), 220, np.uint8))
    cv2.line(scan, (20, 0), (20, 79), 30, 5)
    ink = preprocess.find_ink(scan)
    assert ink.box[2] - ink.box[0] >= 76


def test_the_views_stand_in_the_order_asked_for() -> None:
    ink = preprocess.find_ink(boxed(draw()))
    both = preprocess.normalise(ink, BOTH)
    assert both.shape == (28, 28, BOTH.channels)
    assert both.dtype == np.uint8
    views = preprocess.pictures(both, BOTH)
    assert list(views) == ["boxed", "context"]
    assert np.array_equal(views["boxed"], preprocess.normalise(ink, BOXED)[..., 0])
    assert views["context"].shape == (56, 56)
    # The context shows the printed box that the boxed view leaves out.
    assert views["context"][2].mean() > 100 > views["boxed"][1].mean()


def test_the_context_is_one_picture_in_four_channels() -> None:
    scan = draw("3", 56)
    context = preprocess.pictures(preprocess.normalise(preprocess.find_ink(scan), BOTH), BOTH)["context"]
    assert likeness(context, 255 - scan) > 0.95


def test_hairlines_keep_their_strength() -> None:
    assert digit_of(draw("3", 300, ink=60, width=2)).max() > 200


def test_the_parts_of_a_digit_are_measured_alike_alone_and_beside_a_speck() -> None:
    scan = draw("3")
    specked = scan.copy()
    specked[5:8, 5:8] = 40
    alone, beside = preprocess.find_ink(scan), preprocess.find_ink(specked)
    top, left, bottom, right = alone.box
    assert alone.box == beside.box
    assert alone.parts.tolist() == [[left, top, right - left, bottom - top, np.count_nonzero(alone.mask)]]
    assert np.array_equal(alone.parts, beside.parts)
