"""Tests of the runtimes: what they say of a network that they cannot use."""

from collections.abc import Callable

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from batch.errors import ModelError
from batch.inference import classifier, model_store, runtimes
from batch.inference.runtimes import LiteRt, load_keras


@pytest.mark.parametrize("load", [LiteRt, pytest.param(load_keras, marks=pytest.mark.slow)])
def test_a_damaged_network_says_what_to_do(load: Callable[[bytes, str], object]) -> None:
    with pytest.raises(ModelError, match=r"the network cannot be loaded: .*; reinstall or train it anew"):
        load(b"damaged", "the network")


@pytest.mark.parametrize("runtime", ["litert", pytest.param("tensorflow", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("side_px", "columns", "cause"),
    [(28, (11,), "fit its manifest"), (28, (10, 4), "fit its manifest"), (27, (10,), "run: ")],
)
def test_a_network_of_another_form_is_refused(
    runtime: str, side_px: int, columns: tuple[int, ...], cause: str
) -> None:
    folder = model_store.find("mlp")
    content = (folder / classifier.name(runtime)).read_bytes()
    assert runtimes.load(content, "the network", runtime, (28, 28), 10)
    with pytest.raises(ModelError, match=rf"(?s)the network does not {cause}.*; reinstall or train it anew"):
        runtimes.load(content, "the network", runtime, (side_px, side_px), *columns)


def test_a_network_runs_after_ctrl_c_at_another_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    content = (model_store.find("mlp") / classifier.name("litert")).read_bytes()
    network = runtimes.load(content, "the network", "litert", (28, 28), 10)
    allocate = Interpreter.allocate_tensors

    def interrupted(interpreter: Interpreter) -> None:
        allocate(interpreter)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Interpreter, "allocate_tensors", interrupted)
        network.outputs(np.zeros((2, 28, 28, 1), np.uint8))
    assert len(network.outputs(np.zeros((1, 28, 28, 1), np.uint8))[0]) == 1
