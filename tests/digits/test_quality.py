"""The gate before the model."""

import cv2
import numpy as np
import pytest

from batch.digits import quality
from batch.digits.preprocess import find_ink
from batch.records import Grey, Reason


def written(text: str) -> Grey:
    scan = np.full((90, 60 * len(text) + 30), 225, np.uint8)
    cv2.putText(scan, text, (15, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 30, 5, cv2.LINE_AA)
    return scan


@pytest.mark.parametrize("text", list("0123456789"))
def test_one_digit_passes(text: str) -> None:
    assert quality.inspect(find_ink(written(text))) is None


@pytest.mark.parametrize("text", ["12", "58", "907"])
def test_digits_side_by_side_are_several(text: str) -> None:
    assert quality.inspect(find_ink(written(text))) is Reason.SEVERAL_DIGITS


@pytest.mark.parametrize("deviation", [0, 1, 3, 10, 40])
def test_paper_and_grain_are_blank(deviation: int) -> None:
    grain = np.random.default_rng(3).normal(180, deviation, (70, 70))
    scan = np.clip(grain, 0, 255).astype(np.uint8)
    assert quality.inspect(find_ink(scan)) is Reason.BLANK


def test_a_speck_is_blank() -> None:
    scan = np.full((120, 120), 235, np.uint8)
    scan[40:42, 50:53] = 30
    assert quality.inspect(find_ink(scan)) is Reason.BLANK


def test_faint_pencil_passes() -> None:
    scan = np.full((90, 90), 220, np.uint8)
    cv2.putText(scan, "4", (22, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 195, 4, cv2.LINE_AA)
    grain = np.random.default_rng(3).normal(0, 1.5, scan.shape)
    assert quality.inspect(find_ink(np.clip(scan + grain, 0, 255).astype(np.uint8))) is None
