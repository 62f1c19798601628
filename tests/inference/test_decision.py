"""Tests of the probabilities, the thresholds and the decision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import ConfigError
from batch.inference.decision import Thresholds, check_review_below, decide, probabilities, review
from batch.records import Prediction
from batch.training import calibration
from fakes import MANIFEST

THRESHOLDS = Thresholds(temperature=1.0, review_below=0.9, output="softmax")


def logits(*pairs: tuple[int, float], classes: int = 10) -> np.ndarray:
    row = np.zeros((1, classes), np.float32)
    for place, value in pairs:
        row[0, place] = value
    return row


def test_a_sure_digit_is_ok() -> None:
    (decision,) = decide(logits((4, 20)), THRESHOLDS)
    assert decision.prediction is not None
    assert (decision.status, decision.reason, decision.prediction.label) == ("ok", None, 4)
    assert decision.prediction.confidence > 0.99


def test_a_doubtful_digit_needs_review() -> None:
    (decision,) = decide(logits((4, 5), (9, 5)), THRESHOLDS)
    assert (decision.status, decision.reason) == ("review", "low_confidence")


@pytest.mark.parametrize(("below", "status"), [(0.9, "ok"), (0.91, "review")])
def test_only_a_confidence_below_the_threshold_is_for_review(below: float, status: str) -> None:
    assert review(Prediction(4, 0.9, ()), below).status == status


def test_the_probabilities_are_those_of_the_digits() -> None:
    (decision,) = decide(logits((3, 9)), THRESHOLDS)
    assert decision.prediction is not None
    assert sum(decision.prediction.probabilities) == pytest.approx(1)
    assert decision.prediction.not_a_digit == 0


@given(
    st.lists(st.floats(-30, 30, width=32), min_size=11, max_size=11),
    st.floats(0.2, 10),
    st.sampled_from(["softmax", "sigmoid"]),
)
def test_temperature_never_changes_the_top_class(row: list[float], temperature: float, output: str) -> None:
    values = np.array([row], np.float32)
    if output == "sigmoid":
        values = np.clip(values, -5, 5)  # beyond, a sigmoid is 1 to the last bit
    shares = probabilities(values, output, temperature)[0]
    assert shares.sum() == pytest.approx(1)
    assert shares[values[0].argmax()] == pytest.approx(shares.max())


@given(st.integers(0, 1000))
def test_coverage_falls_as_the_threshold_rises(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(0, 3, (50, 10)).astype(np.float32)
    coverage = []
    for below in (0.1, 0.5, 0.9, 0.99):
        thresholds = Thresholds(1.0, below, "softmax")
        coverage.append(sum(d.status == "ok" for d in decide(rows, thresholds)))
    assert coverage == sorted(coverage, reverse=True)


def test_the_user_overrides_the_models_threshold() -> None:
    assert Thresholds.of(MANIFEST).review_below == MANIFEST.review_below
    assert Thresholds.of(MANIFEST, 0.75).review_below == 0.75
    for below in (-0.1, 1.5):
        with pytest.raises(ConfigError):
            check_review_below(below)
    for allowed in (None, 0, 0.5, 1):
        check_review_below(allowed)


def test_temperature_of_overconfident_logits_is_found() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (4000, 10)).astype(np.float32)
    shares = probabilities(true, "softmax", 1.0)
    labels = np.array([rng.choice(10, p=p) for p in shares])
    assert calibration.fit_temperature(true * 3, labels) == pytest.approx(3, rel=0.1)


def test_threshold_for_risk() -> None:
    confidences = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, True, False, True])
    assert calibration.threshold_for_risk(confidences, correct, 0.0) == 0.8
    assert calibration.threshold_for_risk(confidences, correct, 0.25) == 0.6
    assert calibration.threshold_for_risk(confidences, ~correct, 0.0) == 1.0
