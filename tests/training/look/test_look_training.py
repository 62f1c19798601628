"""The parts of the training of the looks."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import look_sources
from batch.inference import model_store
from batch.training.evaluation.number_scans import LAYOUTS
from batch.training.farm import Farm
from batch.training.look import weigh
from batch.training.look.evaluate import NUMBERS, figures, fit, numbers
from batch.training.look.model_folder import DATASETS, FASHION
from batch.training.look.pool import Pool
from batch.training.look.records import RECORD, render
from batch.training.look.sources import Sources
from command import ROOT


def test_the_pool_holds_the_latest_scenes() -> None:
    pool = Pool(RECORD, capacity=100)
    for label in range(15):
        records = np.zeros(10, RECORD)
        records["label"] = label
        pool.add(records)
    assert len(pool) == 100
    counts = np.bincount(pool.draw(5000, np.random.default_rng(0))["label"], minlength=15)
    assert counts[:5].sum() == 0
    assert 0 < counts[5] < counts[14]


def test_thresholds_keep_the_risk() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 12, 4000).astype(np.uint8)
    logits = rng.normal(0, 1, (4000, 12)).astype(np.float32)
    logits[np.arange(4000), labels] += rng.uniform(0, 12, 4000).astype(np.float32)
    temperature, thresholds = fit(logits, labels)
    result = figures(logits, labels, temperature, thresholds)
    assert result["n"] == 4000
    for risk in thresholds:
        assert result[f"at_{risk}"]["wrong"] <= float(risk) * result[f"at_{risk}"]["answered"]
    assert result["at_0.001"]["answered"] < result["at_0.003"]["answered"]


@pytest.mark.slow
def test_int8_agrees_with_keras() -> None:
    """Neither folding and blocks nor int8 change what a network says, but for rounding."""
    from batch.training.look import convert
    from batch.training.look.networks import NETWORKS, build

    network = NETWORKS["look"]
    model = build(network)
    rng = np.random.default_rng(1)
    model.set_weights(
        [
            weight + rng.uniform(0.0, 0.2, weight.shape).astype(np.float32) * (weight.ndim == 1)
            for weight in model.get_weights()
        ]
    )
    pictures = rng.integers(0, 256, (60, 64, 64)).astype(np.uint8)
    exact = convert.keras_outputs(model, pictures)
    folded = convert.fold(model, network)
    np.testing.assert_allclose(convert.keras_outputs(folded, pictures)["logits"], exact["logits"], atol=1e-4)
    rounded = convert.litert_outputs(convert.int8_bytes(folded, pictures), pictures, network)
    assert exact.keys() == rounded.keys() == network.outputs.keys()
    for name, rounding in (("logits", 0.0), ("place", 0.02)):
        assert np.abs(rounded[name] - exact[name]).mean() < 0.1 * exact[name].std() + rounding


@pytest.mark.slow
def test_augmenting_moves_the_box_with_the_ink() -> None:
    import tensorflow as tf

    from batch.training.look.augment import augment

    pictures, boxes = np.zeros((200, 64, 64, 1), np.float32), np.zeros((200, 4), np.float32)
    rng = np.random.default_rng(2)
    for picture, box in zip(pictures, boxes, strict=True):
        y, x = rng.integers(16, 40, 2)
        picture[y : y + 8, x : x + 6] = 1.5
        box[:] = (x + 3) / 64, (y + 4) / 64, 6 / 64, 8 / 64
    seed = tf.constant([1, 2])
    out, moved = (np.asarray(array) for array in augment(tf.constant(pictures), tf.constant(boxes), seed))
    ink = (out[..., 0] > 0.7).astype(float)
    places = np.arange(64) + 0.5
    x = (ink.sum(1) * places).sum(1) / ink.sum((1, 2))
    y = (ink.sum(2) * places).sum(1) / ink.sum((1, 2))
    assert np.abs(np.stack([x, y], 1) / 64 - moved[:, :2]).max() < 0.012
    assert np.abs(moved - boxes).max() > 0.05
    again, _ = augment(tf.constant(pictures), tf.constant(boxes), seed)
    np.testing.assert_array_equal(again, out)


def test_thresholds_are_for_models_with_looks(tmp_path: Path) -> None:
    result = CliRunner().invoke(weigh.main, [str(model_store.find("mlp")), str(tmp_path)])
    assert result.exit_code == 2
    assert "has no looks: name one that has" in result.stderr


def test_each_start_renders_new_scenes(tmp_path: Path) -> None:
    packed = tmp_path / "sources.npz"
    np.savez(packed, **look_sources.packed(), allow_pickle=False)
    chunks = []
    for begun in (1, 1, 2):
        farm = Farm(render, packed, seed=1, start=begun, workers=1, chunk=8)
        chunks.append(np.frombuffer(farm.receive(), RECORD))
        farm.close()
    assert chunks[0].tobytes() == chunks[1].tobytes()
    assert (chunks[0]["picture"] != chunks[2]["picture"]).any()


def test_a_card_has_the_licences_that_the_docs_name() -> None:
    licences = {part["name"]: part["licence"] for part in (*DATASETS, FASHION)}
    shipped = model_store.load_manifest(ROOT / "models" / "cnn").datasets
    assert {part["name"]: part["licence"] for part in shipped} == licences
    lines = (ROOT / "docs" / "training.md").read_text(encoding="utf-8").splitlines()
    start = lines.index("| in `SOURCES` | what | licence |")
    rows = itertools.takewhile(bool, lines[start + 2 :])
    assert {row.split("|")[-2].strip() for row in rows} == set(licences.values()) - {"MIT"}


def test_numbers_are_made_up_from_held_out_digits() -> None:
    made_up = numbers(Sources(look_sources.packed(), held_out=True))
    assert made_up.keys() == LAYOUTS.keys()
    for pictures in made_up.values():
        assert pictures.shape == (NUMBERS, 64, 64)
        assert (pictures.max(axis=(1, 2)) > 200).all()
