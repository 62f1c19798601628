"""Tests of the examples for the network that sees the place of the digit."""

from pathlib import Path

import numpy as np
import pytest

import look_sources
from batch.inference import model_store
from batch.inference.look import SEVERAL
from batch.training.look.mixture import Scene
from batch.training.look.unsure import EXAMPLE, render, unsure
from fake_looks import RULES, UNSURE, Shares, model_with
from formats import two


@pytest.mark.parametrize(
    ("look", "close", "count"),
    [(UNSURE, UNSURE, 2), ({7: 0.99}, UNSURE, 0), (UNSURE, {7: 0.99}, 0), (UNSURE, {SEVERAL: 0.95}, 0)],
)
def test_only_what_is_unsure_is_an_example(look: Shares, close: Shares, count: int) -> None:
    looks = model_with(look, close).looks
    assert looks is not None
    scenes = [Scene(two(), label, None, "made-up") for label in (2, SEVERAL)]
    examples = unsure(looks, scenes)
    assert examples["label"].tolist() == [2, SEVERAL][:count]
    assert (examples["picture"].max(axis=(1, 2)) > 200).all()


def test_an_example_has_what_the_looks_before_say() -> None:
    looks = model_with(UNSURE, {3: 0.6}).looks
    assert looks is not None
    (example,) = unsure(looks, [Scene(two(), 2, None, "made-up")])
    first, second = (
        network.outputs(np.zeros((1, 64, 64, 1), np.uint8))[0][0] for network in looks.networks[:2]
    )
    weights = RULES.weights[-1]
    np.testing.assert_allclose(example["before"], weights[0] * first + weights[1] * second, rtol=1e-5)
    assert example["before"].argmax() == 3


def test_examples_come_in_chunks_and_a_seed_gives_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "sources.npz"
    np.savez(packed, **look_sources.packed(), allow_pickle=False)
    model = model_store.find("cnn")
    chunks = [np.frombuffer(next(render(model, packed, seed, 12)), EXAMPLE) for seed in (1, 1, 2)]
    assert [len(chunk) for chunk in chunks] == [12] * 3
    assert chunks[0].tobytes() == chunks[1].tobytes() != chunks[2].tobytes()
