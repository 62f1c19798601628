import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.intervals import wilson_interval


@given(st.integers(0, 200), st.integers(0, 200))
def test_wilson_interval_holds_the_share(k: int, more: int) -> None:
    n = k + more
    low, high = wilson_interval(k, n)
    assert 0 <= low <= high <= 1
    if n:
        assert low - 1e-9 <= k / n <= high + 1e-9


def test_wilson_interval_of_a_known_case() -> None:
    # Newcombe 1998, table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
