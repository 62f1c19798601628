"""Polarity of clean grounds; that of papers is tested with light and ink in test_strength."""

import cv2
import numpy as np
import pytest

from batch.digits.polarity import estimate_polarity
from batch.records import Polarity


@pytest.mark.parametrize("ground", [0, 60, 127, 128, 200, 255])
def test_ink_on_a_clean_ground_is_what_differs_from_the_rim(ground: int) -> None:
    scan = np.full((60, 50), ground, np.uint8)
    lighter = ground < 128
    cv2.putText(scan, "4", (8, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255 if lighter else 0, 5)
    wanted = Polarity.LIGHT_ON_DARK if lighter else Polarity.DARK_ON_LIGHT
    other = Polarity.DARK_ON_LIGHT if lighter else Polarity.LIGHT_ON_DARK
    assert estimate_polarity(scan) is wanted
    assert estimate_polarity(255 - scan) is other


def test_an_even_frame_around_paper_is_not_the_ground() -> None:
    scan = np.zeros((60, 60), np.uint8)
    scan[4:-4, 4:-4] = 230
    cv2.putText(scan, "4", (16, 44), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 30, 3)
    assert estimate_polarity(scan) is Polarity.DARK_ON_LIGHT
