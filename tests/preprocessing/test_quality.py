"""The gate before the model."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from batch.preprocessing.ink import find_ink
from batch.preprocessing.quality import QUALITY, check_single_digit
from batch.records import Grey, Reason


def written(text: str) -> Grey:
    scan = np.full((90, 60 * len(text) + 30), 225, np.uint8)
    cv2.putText(scan, text, (15, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 30, 5, cv2.LINE_AA)
    return scan


@pytest.mark.parametrize("text", list("0123456789"))
def test_one_digit_passes(text: str) -> None:
    assert check_single_digit(find_ink(written(text))) is None


@pytest.mark.parametrize("text", ["12", "58", "907"])
def test_digits_side_by_side_are_several(text: str) -> None:
    assert check_single_digit(find_ink(written(text))) is Reason.SEVERAL_DIGITS


def test_a_dashed_border_is_not_many_pieces_of_ink() -> None:
    scan = np.full((90, 80), 225, np.uint8)
    cv2.polylines(scan, [np.array([(26, 24), (54, 24), (34, 66)], np.int32)], False, 30, 2)
    for x in range(6, 74, 12):
        scan[5:11, x : x + 6] = scan[79:85, x : x + 6] = 30
    ink = find_ink(scan)
    assert len(ink.parts) > QUALITY.max_parts
    assert check_single_digit(ink) is None


@pytest.mark.parametrize("margin_px", [6, 18])
def test_the_tines_of_a_comb_are_no_digits(margin_px: int) -> None:
    scan = np.full((90, 110), 225, np.uint8)
    cv2.putText(scan, "3", (38, 68), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 30, 3, cv2.LINE_AA)
    for x in (margin_px, 110 - margin_px):
        cv2.line(scan, (x, 30), (x, 78), 60, 4)
    assert check_single_digit(find_ink(scan)) is None


@pytest.mark.parametrize("deviation", [0, 1, 3, 10, 40])
def test_paper_and_grain_are_blank(deviation: int) -> None:
    grain = np.random.default_rng(3).normal(180, deviation, (70, 70))
    scan = np.clip(grain, 0, 255).astype(np.uint8)
    assert check_single_digit(find_ink(scan)) is Reason.BLANK


@pytest.mark.parametrize("deviation", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_unevenly_lit_paper_is_blank(deviation: int, seed: int) -> None:
    y, x = np.mgrid[-1:1:80j, -1:1:80j]
    light = 225 + 12 * x + 6 * y - 20 * (x * x + y * y)
    scan = np.clip(light + np.random.default_rng(seed).normal(0, deviation, light.shape), 0, 255)
    assert check_single_digit(find_ink(scan.astype(np.uint8))) is Reason.BLANK


def test_a_speck_is_blank() -> None:
    scan = np.full((120, 120), 235, np.uint8)
    scan[40:42, 50:53] = 30
    assert check_single_digit(find_ink(scan)) is Reason.BLANK


def test_faint_pencil_passes() -> None:
    scan = np.full((90, 90), 220, np.uint8)
    cv2.putText(scan, "4", (22, 70), cv2.FONT_HERSHEY_SIMPLEX, 2.2, 195, 4, cv2.LINE_AA)
    grain = np.random.default_rng(3).normal(0, 1.5, scan.shape)
    assert check_single_digit(find_ink(np.clip(scan + grain, 0, 255).astype(np.uint8))) is None


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("shift", [40, 70])
def test_the_edge_of_a_shadow_is_blank(turn: int, shift: int) -> None:
    x = np.arange(110) - shift
    light = 215 - 60 / (1 + np.exp(-x / 4.0)) + np.zeros((110, 1))
    grain = np.random.default_rng(3).normal(0, 1.2, light.shape)
    scan = np.rot90(np.clip(light + grain, 0, 255).astype(np.uint8), turn)
    assert check_single_digit(find_ink(np.ascontiguousarray(scan))) is Reason.BLANK


@pytest.mark.parametrize("ends", [((50, 12), (42, 78)), ((50, 0), (42, 89))])
def test_pale_one_from_edge_to_edge_passes(
    ends: tuple[Sequence[int], Sequence[int]],
) -> None:
    scan = np.full((90, 90), 220, np.uint8)
    cv2.line(scan, *ends, 203, 4, cv2.LINE_AA)
    grain = np.random.default_rng(3).normal(0, 1.2, scan.shape)
    assert check_single_digit(find_ink(np.clip(scan + grain, 0, 255).astype(np.uint8))) is None
