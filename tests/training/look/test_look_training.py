"""A tiny training of the looks from made-up sources; the figures do not matter here."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import look_sources
from batch.inference import model_store, models
from batch.training.look import weigh
from batch.training.look.__main__ import main
from batch.training.look.evaluate import LAYOUTS, NUMBERS, figures, fit, numbers
from batch.training.look.farm import Farm, seed_of
from batch.training.look.pool import Pool
from batch.training.look.records import RECORD
from batch.training.look.sources import Sources, load
from command import ROOT

STEPS = 24
OPTIONS = (
    *("--images", f"{16 * STEPS}", "--batch", "16", "--workers", "1"),
    *("--held-out", "150", "--scenes", "100"),
)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return look_sources.write(tmp_path_factory.mktemp("sources"))


def start(sources: Path, out: Path, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "batch.training.look", str(sources), str(out), *OPTIONS, *options]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_the_pool_holds_the_latest_scenes() -> None:
    pool = Pool(capacity=100)
    for label in range(15):
        records = np.zeros(10, RECORD)
        records["label"] = label
        pool.add(records)
    assert len(pool) == 100
    counts = np.bincount(pool.draw(5000, np.random.default_rng(0))["label"], minlength=15)
    assert counts[:5].sum() == 0
    assert 0 < counts[5] < counts[14]


def test_each_start_and_worker_has_seeds_of_its_own() -> None:
    seeds = {seed_of(seed, start, worker) for seed in (0, 1) for start in range(9) for worker in range(900)}
    assert len(seeds) == 2 * 9 * 900


def test_thresholds_keep_the_risk() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 12, 4000).astype(np.uint8)
    logits = rng.normal(0, 1, (4000, 12)).astype(np.float32)
    logits[np.arange(4000), labels] += rng.uniform(0, 12, 4000).astype(np.float32)
    temperature, thresholds = fit(logits, labels)
    result = figures(logits, labels, temperature, thresholds)
    assert result["n"] == 4000
    for risk in thresholds:
        assert 0 < result[f"at_{risk}"]["wrong"] <= float(risk) * result[f"at_{risk}"]["answered"] or (
            result[f"at_{risk}"]["wrong"] == 0
        )
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
    logits, places = convert.keras_outputs(model, pictures)
    folded = convert.fold(model, network)
    np.testing.assert_allclose(convert.keras_outputs(folded, pictures)[0], logits, atol=1e-4)
    int8_logits, int8_places = convert.litert_outputs(convert.int8_bytes(folded, pictures), pictures)
    assert np.abs(int8_logits - logits).mean() < 0.1 * logits.std()
    assert np.abs(int8_places - places).mean() < 0.1 * places.std() + 0.02


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


@pytest.fixture(scope="module")
def trained(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, str]:
    """A training that was killed and started again: its folder, the step of the kill, its lines."""
    out = tmp_path_factory.mktemp("out")
    process = start(sources, out, "--checkpoint-seconds", "0")
    while process.poll() is None:
        done = steps(out)
        if 0 < done < STEPS:
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.02)  # a poll: the checkpoint is the only thing that says how far it is
    process.communicate()
    again = start(sources, out)
    _, lines = again.communicate()
    assert again.returncode == 0, lines
    return out, done, lines


def steps(out: Path) -> int:
    try:
        with np.load(out / "checkpoint.npz") as checkpoint:  # all of its weights would take seconds
            return int(checkpoint["progress"][0])
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_a_killed_training_goes_on(trained: tuple[Path, int, str]) -> None:
    out, done, lines = trained
    assert 0 < done < STEPS
    assert "going on after" in lines
    state = load(out / "checkpoint.npz")
    assert state["progress"].tolist()[:2] == [STEPS, 2]


@pytest.mark.slow
def test_a_training_writes_all_files(trained: tuple[Path, int, str]) -> None:
    import keras

    from batch.training.look import convert

    out, _, _ = trained
    content: dict[str, Any] = json.loads((out / "look.json").read_text())
    assert content["training"]["images"] == 16 * STEPS
    assert content["held_out"]["n"] == 150
    assert content["numbers"].keys() == LAYOUTS.keys()
    assert all(content["numbers"][layout]["n"] == NUMBERS for layout in LAYOUTS)
    assert content["thresholds"].keys() == {"0.003", "0.001"}
    assert content["temperature"] > 0
    pictures = load(out / "held_out.npz")["records"]["picture"]
    for name in ("look", "model"):
        model = keras.saving.load_model(out / "cnn" / f"{name}.keras")
        logits, _ = convert.keras_outputs(model, pictures)
        int8_logits, _ = convert.litert_outputs((out / "cnn" / f"{name}.tflite").read_bytes(), pictures)
        assert np.abs(int8_logits - logits).mean() < 0.15 * logits.std()
    assert sorted(path.name for path in out.iterdir()) == [
        "checkpoint.npz",
        "close.json",
        "cnn",
        "held_out.npz",
        "log.jsonl",
        "look.json",
        "options.json",
        "sources.npz",
    ]


@pytest.mark.slow
def test_a_training_ends_with_a_model(trained: tuple[Path, int, str], tmp_path: Path) -> None:
    folder = tmp_path / "cnn"
    shutil.copytree(trained[0] / "cnn", folder)
    manifest = model_store.load_manifest(folder)
    assert f"{16 * STEPS} pictures" in manifest.look_training
    assert "100 held-out scenes" in manifest.look_fit
    assert manifest.look_fit in (folder / "card.md").read_text()
    assert models.load(folder, manifest).looks is not None
    arguments = [str(folder), str(trained[0] / "sources.npz"), "--scenes", "120"]
    result = CliRunner().invoke(weigh.main, arguments)
    assert result.exit_code == 0, result.output
    anew = model_store.load_manifest(folder)
    assert (anew.version, anew.files) == (manifest.version, manifest.files)
    assert anew.look_fit == result.stdout.strip() and "120 held-out scenes" in result.stdout


def test_thresholds_are_for_models_with_looks(tmp_path: Path) -> None:
    result = CliRunner().invoke(weigh.main, [str(model_store.find("mlp")), str(tmp_path)])
    assert result.exit_code == 2
    assert "has no looks: name one that has" in result.stderr


@pytest.mark.slow
def test_other_options_need_another_folder(sources: Path, trained: tuple[Path, int, str]) -> None:
    result = CliRunner().invoke(main, [str(sources), str(trained[0]), *OPTIONS, "--seed", "2"])
    assert result.exit_code == 2
    out = trained[0]
    assert result.stderr == f"error: {out} holds a training with other options; name another folder\n"


def test_each_start_renders_new_scenes(tmp_path: Path) -> None:
    packed = tmp_path / "sources.npz"
    np.savez(packed, **look_sources.packed(), allow_pickle=False)
    chunks = []
    for begun in (1, 1, 2):
        farm = Farm(packed, seed=1, start=begun, workers=1, chunk=8)
        chunks.append(farm.take())
        farm.close()
    assert chunks[0].tobytes() == chunks[1].tobytes()
    assert (chunks[0]["picture"] != chunks[2]["picture"]).any()


def test_numbers_are_made_up_from_held_out_digits() -> None:
    made_up = numbers(Sources(look_sources.packed(), held_out=True))
    assert made_up.keys() == LAYOUTS.keys()
    for pictures in made_up.values():
        assert pictures.shape == (NUMBERS, 64, 64)
        assert (pictures.max(axis=(1, 2)) > 200).all()
