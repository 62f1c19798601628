"""Tests of the hands between two hands."""

import numpy as np
import pytest

from batch.training.look.blend import blend
from batch.training.look.mixture import Field


def stroke(*points: tuple[float, float]) -> Field:
    return np.array(points, np.float32)


def one(lean: float) -> list[Field]:
    """Write a 1 that leans to the right."""
    return [stroke((lean, 0.0), (0.0, 1.0))]


@pytest.mark.parametrize("share", [-0.4, 0.0, 0.5, 1.0, 1.2])
def test_a_blend_leans_as_much_as_its_share_says(share: float) -> None:
    blended = blend(one(0.1), one(0.3), share)
    assert blended is not None
    ((top, *_, foot),) = blended
    assert top[0] - foot[0] == pytest.approx(0.1 + 0.2 * share, abs=1e-6)


def test_where_a_stroke_begins_does_not_count() -> None:
    (line,) = one(0.2)
    blended = blend(one(0.1), [line[::-1]], 0.5)
    assert blended is not None
    assert np.ptp(blended[0], axis=0) == pytest.approx([0.15, 1.0], abs=1e-6)


def test_a_dot_has_a_blend() -> None:
    dotted = [*one(0.1), stroke((0.5, 0.5))]
    blended = blend(dotted, dotted, 0.5)
    assert blended is not None
    assert np.isfinite(np.concatenate(blended)).all()


@pytest.mark.parametrize(
    "other",
    [[*one(0.1), stroke((0.0, 0.5), (0.3, 0.5))], one(1.0), [stroke((0.0, 0.0), (1.0, 0.0))]],
    ids=["more strokes", "too slanted", "across"],
)
def test_digits_that_are_written_otherwise_have_no_blend(other: list[Field]) -> None:
    assert blend(one(0.0), other, 0.5) is None
