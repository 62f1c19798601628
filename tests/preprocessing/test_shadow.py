"""Tests of scans in even light: found where shadows are, and alike wherever the shadow was."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.preprocessing.number_line import even_light, strip_of
from batch.records import Grey


def number() -> Grey:
    """Write four digits from one end of a scan to the other."""
    scan = np.full((100, 300), 240, np.uint8)
    cv2.putText(scan, "3537", (40, 80), cv2.FONT_HERSHEY_SIMPLEX, 2.8, 60, 5)
    return scan


def shaded(scan: Grey, share: float, lit: float = 0.3, soft_px: float = 2.0) -> Grey:
    """Leave so much of the light to the last columns, which are that share of the scan."""
    width = scan.shape[1]
    shadow = 1 / (1 + np.exp(-(np.arange(width) - (1 - share) * width) / soft_px))
    return (scan * (1 - (1 - lit) * shadow)).astype(np.uint8)


@pytest.mark.parametrize("share", [0.2, 0.3, 0.5, 0.7])
@pytest.mark.parametrize("soft_px", [1.0, 10.0])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_a_number_half_in_a_shadow_is_whole_in_even_light(
    share: float, soft_px: float, is_mirrored: bool
) -> None:
    scan = shaded(number(), share, soft_px=soft_px)
    if is_mirrored:
        scan = np.ascontiguousarray(scan[:, ::-1])
    assert strip_of(scan).is_uneven
    evened = even_light(scan)
    assert np.ptp(evened[:10]) < 30  # paper
    strip = strip_of(evened)
    ink = np.flatnonzero((number() < 200).any(axis=0))
    if is_mirrored:
        ink = 299 - ink[::-1]
    assert strip.left < ink[0]
    assert strip.left + strip.columns * strip.picture.shape[1] > ink[-1]


def test_light_is_even_without_a_shadow() -> None:
    rng = np.random.default_rng(3)
    scan = np.clip(number() + rng.normal(0, 4, (100, 300)), 0, 255).astype(np.uint8)
    cv2.rectangle(scan, (8, 8), (291, 91), 90, 3)
    assert not strip_of(scan).is_uneven
    assert not strip_of(shaded(scan, 0.3, lit=0.9)).is_uneven


@pytest.mark.parametrize("level", [20, 60, 110])
def test_a_digit_blacked_out_is_no_shadow(level: int) -> None:
    scan = number()
    cv2.rectangle(scan, (200, 15), (270, 85), level, -1)
    assert not strip_of(scan).is_uneven


@given(st.integers(1, 150), st.integers(1, 300), st.floats(0.1, 0.9), st.integers(0, 2**16))
def test_a_scan_and_its_inverse_are_one_in_even_light(
    height: int, width: int, share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    scan = np.clip(rng.normal(220, 4, (height, width)), 0, 255).astype(np.uint8)
    x, y = int(rng.integers(width)), int(rng.integers(height))
    cv2.line(scan, (x, y), (x + width // 9, y + height // 6), 20, max(1, height // 40))
    scan = shaded(scan, share)
    assert np.array_equal(even_light(scan), even_light(255 - scan))
