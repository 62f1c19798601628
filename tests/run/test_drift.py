"""Tests of drift: a jump is found, and usual nights raise no alarm."""

import random

import pytest

from batch.run.drift import MIN_RUNS, MIN_SCANS, find_jump

CALM = [(20, 500)] * 20  # 4 % of each run


def test_a_jump_is_found() -> None:
    jump = find_jump((60, 500), CALM)
    assert jump is not None
    assert (jump["share"], jump["before"]) == (0.12, 0.04)
    assert jump["z"] > 4


@pytest.mark.parametrize(
    "now", [(20, 500), (0, 500), (28, 500), (0, 0), (MIN_SCANS - 1, MIN_SCANS - 1)], ids=str
)
def test_a_usual_share_is_no_jump(now: tuple[int, int]) -> None:
    assert find_jump(now, CALM) is None


def test_few_runs_or_few_scans_raise_no_alarm() -> None:
    assert find_jump((400, 500), CALM[: MIN_RUNS - 1]) is None
    assert find_jump((400, 500), [(1, MIN_SCANS - 1)] * 30) is None
    assert find_jump((400, 500), CALM[:MIN_RUNS]) is not None


def test_a_status_that_is_new_is_a_jump() -> None:
    assert find_jump((0, 500), [(0, 500)] * 20) is None
    assert find_jump((2, 500), [(0, 500)] * 20) is None
    assert find_jump((50, 500), [(0, 500)] * 20) is not None


def test_a_share_that_was_always_1_is_no_jump() -> None:
    assert find_jump((500, 500), [(500, 500)] * 20) is None


def test_a_small_difference_is_no_jump_however_certain() -> None:
    assert find_jump((50_000, 1_000_000), [(40_000, 1_000_000)] * 20) is None


def test_runs_that_always_differ_must_differ_more() -> None:
    calm, unruly = [(50, 500)] * 20, [(10, 500), (90, 500)] * 10
    assert find_jump((85, 500), calm) is not None
    assert find_jump((85, 500), unruly) is None
    assert find_jump((400, 500), unruly) is not None


def test_only_the_last_runs_count() -> None:
    assert find_jump((100, 500), [(100, 500)] * 30 + [(0, 500)] * 1000) is None


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_false_alarms_are_rare(spread: float) -> None:
    """Simulate a thousand nights that differ only by chance and by the papers of the day."""
    chance = random.Random(7)
    nights: list[tuple[int, int]] = []
    alarms = 0
    for _ in range(1000):
        scans = chance.choice([60, 200, 1000])
        share = min(max(chance.gauss(0.06, spread), 0.0), 1.0)
        night = sum(chance.random() < share for _ in range(scans)), scans
        alarms += find_jump(night, nights) is not None
        nights.insert(0, night)
    assert alarms <= 2
