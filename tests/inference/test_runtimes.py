"""Tests of the runtimes: what they say of a network that they cannot use."""

from collections.abc import Callable

import pytest

from batch.errors import ModelError
from batch.inference.runtimes import LiteRt, load_keras


@pytest.mark.parametrize("load", [LiteRt, pytest.param(load_keras, marks=pytest.mark.slow)])
def test_a_damaged_network_says_what_to_do(load: Callable[[bytes, str], object]) -> None:
    with pytest.raises(ModelError, match=r"the network cannot be loaded: .*; reinstall or train it anew"):
        load(b"damaged", "the network")
