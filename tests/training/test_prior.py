"""The prior of `not a digit` in use and in training."""

from typing import Any

import numpy as np
import pytest

from batch.training import prior
from batch.training.examples import NONE, SHARES


def network(classes: int) -> Any:
    keras = pytest.importorskip("keras", reason="the extra train is not installed")
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes, name="logits")])


@pytest.mark.slow
def test_not_a_digit_is_rarer_in_use_than_in_training() -> None:
    model = network(11)
    (_, trained) = model.layers[-1].get_weights()
    prior.shift_for_use(model)
    (_, shifted) = model.layers[-1].get_weights()
    assert np.array_equal(shifted[:10], trained[:10])
    # If a scan tells nothing, the odds are those of people's folders.
    none, digits = np.exp(shifted[10] - trained[10]) * SHARES[NONE], 1 - SHARES[NONE]
    assert none / (none + digits) == pytest.approx(prior.NOT_DIGITS_FRACTION)
    prior.shift_for_training(model)
    assert model.layers[-1].get_weights()[1] == pytest.approx(trained, abs=1e-6)


@pytest.mark.slow
def test_a_network_of_ten_digits_stays_as_it_is() -> None:
    model = network(10)
    (_, trained) = model.layers[-1].get_weights()
    prior.shift_for_use(model)
    assert np.array_equal(model.layers[-1].get_weights()[1], trained)
