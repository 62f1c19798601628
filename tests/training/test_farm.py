"""What renders examples for a training."""

from itertools import count

import pytest

from batch.training.farm import MAX_FAILED, retrying, seed_of


def test_each_start_and_worker_has_seeds_of_its_own() -> None:
    seeds = {seed_of(seed, start, worker) for seed in (0, 1) for start in range(9) for worker in range(900)}
    assert len(seeds) == 2 * 9 * 900


def test_rendering_passes_over_an_example_that_fails() -> None:
    numbers = count()

    def render() -> int:
        number = next(numbers)
        if number % 3 == 1:
            raise ZeroDivisionError
        return number

    render_one = retrying(render)
    assert [render_one() for _ in range(4)] == [0, 2, 3, 5]


def test_rendering_ends_when_too_many_examples_fail() -> None:
    numbers = count(1)

    def fail() -> int:
        raise ValueError(next(numbers))

    with pytest.raises(RuntimeError, match=f"the last with: {MAX_FAILED + 1}"):
        retrying(fail)()
