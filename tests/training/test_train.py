"""Training with tiny networks and data. The figures do not matter here."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from batch.cli.main import cli
from batch.errors import ConfigError
from batch.inference import classifier, model_store
from batch.inference import models as loader
from batch.inference.runtimes import LiteRt
from batch.training import examples
from batch.training.data.datasets import Labelled
from batch.training.rendering import strokes
from batch.training.rendering.appearance import Appearance
from batch.training.rendering.render import render
from float_model import float_bytes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 10
    images = np.stack([strokes.draw(int(label), rng)[::2, ::2] for label in labels])
    path = tmp_path_factory.mktemp("data") / "drawn.npz"
    np.savez(path, x_train=images[:200], y_train=labels[:200], x_test=images[200:], y_test=labels[200:])
    return str(path)


def run_train(data: str, models: Path, *arguments: str) -> Any:
    return CliRunner().invoke(
        cli,
        ["train", "--network", "mlp", "--data", data, "--models", str(models), *arguments],
        catch_exceptions=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _needs_tensorflow() -> None:
    pytest.importorskip("tensorflow", reason="the extra train is not installed")


@pytest.fixture(scope="module")
def models(data: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    assert run_train(data, folder, "--default").exit_code == 0
    return folder


def test_the_model_folder_is_complete(models: Path) -> None:
    folder = models / "mlp"
    manifest = model_store.load_manifest(folder)
    assert (manifest.classes, manifest.preprocess.input) == (10, "digit")
    assert set(manifest.files) == {"model.keras", "model.tflite"}
    for filename in manifest.files:
        model_store.read_verified(folder, manifest, filename)
    assert f"{manifest.metrics['drawn.npz test']['accuracy']:.2%}" in (folder / "card.md").read_text()  # type: ignore[index]
    assert len(json.loads((folder / "history.json").read_text())["loss"]) == 10
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (models / "CURRENT").read_text() == "mlp\n"


def test_float_int8_and_keras_agree(models: Path, data: str) -> None:
    folder = models / "mlp"
    manifest = model_store.load_manifest(folder)
    with np.load(data) as archive:
        digits = examples.prepare(Labelled(archive["x_test"], archive["y_test"]).pairs()).digits
    keras, int8 = (
        classifier.build(loader.read(folder, manifest, name), manifest, name)(digits)
        for name in ("tensorflow", "litert")
    )
    in_float = LiteRt(float_bytes(folder), "in float", 10).outputs(digits)[0]
    assert np.abs(in_float - keras).max() < 1e-3
    assert np.abs(int8 - keras).max() < 0.15 * np.ptp(keras)


def test_the_same_seed_gives_the_same_training(data: str, tmp_path: Path) -> None:
    losses = []
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run_train(data, tmp_path / folder, "--epochs", "2", "--seed", seed)
        losses.append(json.loads((tmp_path / folder / "mlp" / "history.json").read_text())["val_loss"])
    # A sum of floats depends on the order in which threads finish.
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert losses[0] != pytest.approx(losses[2], abs=1e-4)


def test_train_shows_progress_and_prints_the_folder(data: str, tmp_path: Path) -> None:
    result = run_train(data, tmp_path, "--epochs", "2", "--output", "sigmoid", "--name", "s")
    assert result.stdout == f"{tmp_path / 's'}\n"
    assert "epoch   2 of 2: loss" in result.stderr
    assert model_store.load_manifest(tmp_path / "s").output == "sigmoid"


def test_refuse_names_in_use(data: str, models: Path) -> None:
    with pytest.raises(ConfigError, match="--overwrite"):
        run_train(data, models)
    with pytest.raises(ConfigError, match="--name"):
        run_train(data, models, "--name", "../up")


def test_ctrl_c_writes_no_model(data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(keras.callbacks.History, "on_epoch_begin", interrupt)
    result = run_train(data, tmp_path / "m")
    assert "stopped in epoch 1 of 10: no model was written" in result.stderr
    assert not (tmp_path / "m").exists()


def test_go_on_from_a_model_with_own_scans(data: str, models: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for number in range(20):
        folder = tmp_path / "own" / ("none" if number == 19 else str(number % 10))
        folder.mkdir(parents=True, exist_ok=True)
        scan = render(strokes.draw(number % 10, rng), Appearance(), rng)
        cv2.imwrite(str(folder / f"{number}.png"), scan)
    (tmp_path / "own" / "3" / "broken.png").write_bytes(b"no image")
    start = ("--from", str(models / "mlp"), "--extra", str(tmp_path / "own"))
    result = run_train(data, tmp_path, *start, "--epochs", "1", "--name", "office")
    assert "left out: 3/broken.png, not_an_image" in result.stderr
    manifest = model_store.load_manifest(tmp_path / "office")
    (row,) = [line for line in result.stderr.splitlines() if line.startswith("| own scans held out ")]
    counts = [int(cell) for cell in row.split("|")[2:7]]
    figure = manifest.metrics["own scans held out"]
    assert counts[0] >= figure["n"] > 0  # type: ignore[index]
    assert counts[1] - counts[3] == counts[2] - counts[4]  # right by both
    assert "| drawn.npz test " in result.stderr
    assert "the new model: " in result.stderr
    # No run looks for its default model in this folder.
    assert f"digitbox run --model {tmp_path / 'office'}" in result.stderr
    assert manifest.start == model_store.load_manifest(models / "mlp").version
    card = (tmp_path / "office" / "card.md").read_text()
    assert manifest.start in card
    own = [line for line in result.stderr.splitlines() if "own scans to train on" in line]
    assert f"- {own[0].split()[0]} own scans: the user's\n" in card


def test_refuse_data_without_digits(tmp_path: Path) -> None:
    no_digits = str(tmp_path / "crosses.npz")
    crosses, labels = np.stack([np.eye(28, dtype=np.uint8) * 255] * 30), np.full(30, -1)
    np.savez(no_digits, x_train=crosses, y_train=labels, x_test=crosses, y_test=labels)
    with pytest.raises(ConfigError, match="no digits to train on"):
        run_train(no_digits, tmp_path)
