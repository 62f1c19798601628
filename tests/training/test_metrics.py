import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.training import metrics


def test_confusion_matrix_counts_labels_by_row() -> None:
    matrix = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 1, 2]), 3)
    assert matrix.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_calibration_error_is_the_gap_to_accuracy() -> None:
    assert metrics.expected_calibration_error(np.full(100, 0.75), np.arange(100) < 75) == pytest.approx(0)
    assert metrics.expected_calibration_error(np.full(100, 0.95), np.zeros(100, bool)) == pytest.approx(0.95)
    assert metrics.expected_calibration_error(np.ones(4), np.ones(4, bool)) == 0
    assert metrics.expected_calibration_error(np.zeros(0), np.zeros(0, bool)) == 0


def test_risk_and_coverage_of_every_threshold() -> None:
    coverage, risk, level = metrics.risk_coverage(
        np.array([0.5, 0.9, 0.5, 0.8]), np.array([0, 1, 1, 1], bool)
    )
    assert coverage.tolist() == [0.25, 0.5, 1.0]
    assert risk.tolist() == [0, 0, 0.25]
    assert level.tolist() == [0.9, 0.8, 0.5]
    assert metrics.risk_coverage(np.zeros(0), np.zeros(0, bool))[0].size == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_auroc_is_the_share_of_pairs_in_order(pairs: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([s for s, _ in pairs], float), np.array([p for _, p in pairs])
    high, low = scores[positive], scores[~positive]
    value = metrics.auroc(scores, positive)
    if not high.size or not low.size:
        assert math.isnan(value)
        return
    order = np.sign(high[:, None] - low[None]) / 2 + 0.5
    assert value == pytest.approx(order.mean())


def test_a_small_weight_adds_little_risk() -> None:
    confidences, correct = np.array([0.9, 0.8, 0.7]), np.array([True, False, True])
    coverage, risk, levels = metrics.risk_coverage(confidences, correct, np.array([1.0, 0.5, 0.5]))
    assert coverage.tolist() == [0.5, 0.75, 1.0]
    assert risk.tolist() == [0.0, 0.5 / 1.5, 0.25]
    assert levels.tolist() == [0.9, 0.8, 0.7]
