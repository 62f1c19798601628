import numpy as np
import pytest

from batch.preprocessing.look import is_ink_dark
from batch.training.evaluation import number_scans
from batch.training.rendering import strokes

DIGITS = np.stack([strokes.draw(label, np.random.default_rng(label)) for label in range(10)])


@pytest.mark.parametrize("draw", [number_scans.draw_row, number_scans.draw_column])
def test_a_number_is_dark_ink_on_paper_and_the_seed_gives_it(draw: object) -> None:
    assert callable(draw)
    scans = [draw(np.random.default_rng(seed), DIGITS, 8, 30) for seed in (1, 1, 2)]
    assert np.array_equal(scans[0], scans[1])
    assert scans[0].shape != scans[2].shape or not np.array_equal(scans[0], scans[2])
    for scan in scans:
        assert scan.dtype == np.uint8 and is_ink_dark(scan)


def test_rows_are_wide_and_columns_are_high() -> None:
    rng = np.random.default_rng(3)
    row, column = number_scans.draw_row(rng, DIGITS, 8, 30), number_scans.draw_column(rng, DIGITS, 3, 20)
    assert row.shape[1] > row.shape[0]
    assert column.shape[0] > column.shape[1]
