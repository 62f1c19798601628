"""A tiny training of the reader of numbers from made-up sources; the figures do not matter here."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import look_sources
from batch.inference import model_store, models
from batch.inference.number_decision import NumberThresholds
from batch.inference.runtimes import LiteRt
from batch.lengths import ANY
from batch.preprocessing.number_line import WIDTHS_PX
from batch.training.numbers.__main__ import main
from command import ROOT


@pytest.mark.slow
def test_the_fitted_confidence_is_calibrated() -> None:
    from batch.training.numbers import calibrate

    rng = np.random.default_rng(1)
    odds = rng.normal(3, 3, 20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(0.6 * odds - 0.5)))
    slope, offset = calibrate._fit_odds(1 / (1 + np.exp(-odds)), right)
    assert (slope, offset) == pytest.approx((0.6, -0.5), abs=0.05)
    thresholds = NumberThresholds(slope, offset, 0.0, 1.0)
    assert thresholds.confidence(0.5) == pytest.approx(1 / (1 + np.exp(0.5)), abs=0.02)
    assert thresholds.confidence(0.0) < thresholds.confidence(1.0) < 1


@pytest.mark.slow
def test_a_training_puts_its_network_into_the_model_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batch.training.numbers import convert, train

    monkeypatch.setattr(train, "FIRST_FIELDS", 200)
    monkeypatch.setattr(convert, "CALIBRATION", 60)
    (tmp_path / "sources").mkdir()
    sources = look_sources.write(tmp_path / "sources")
    model = tmp_path / "cnn"
    shutil.copytree(ROOT / "models" / "cnn", model)
    before = model_store.load_manifest(model)
    arguments = [str(sources), str(tmp_path / "out"), "--model", str(model), "--minutes", "0.05"]
    done = CliRunner().invoke(main, [*arguments, "--held-out", "150", "--workers", "1"])
    assert done.exit_code == 0, done.output
    manifest = model_store.load_manifest(model)
    assert manifest.version == before.version  # rows of single digits stay what they are
    content = model_store.read_verified(model, manifest, model_store.NUMBERS_FILE)
    assert manifest.numbers_version == f"cnn-numbers-{model_store.digest(content)[:8]}"
    assert manifest.numbers_metrics.keys() >= {"all", "number"}
    assert "## Numbers" in (model / "card.md").read_text(encoding="utf-8")
    reader = models.load(model, manifest, digits=ANY).numbers
    assert reader is not None
    assert len(reader.read([np.full((40, width), 48, np.uint8) for width in WIDTHS_PX])) == len(WIDTHS_PX)
    again = CliRunner().invoke(main, [*arguments[:-1], "9", "--held-out", "150"])
    assert again.exit_code == 2
    assert "holds a training with other options" in again.output


@pytest.mark.slow
def test_the_network_that_ships_agrees_with_keras() -> None:
    from batch.training.numbers import convert, networks
    from batch.training.numbers.networks import COLUMN_CLASSES
    from batch.training.numbers.records import Records

    rng = np.random.default_rng(1)
    model = networks.build()
    pictures = rng.integers(0, 256, (40, 40, 120)).astype(np.uint8)
    records = Records(pictures, np.zeros((40, 12), np.uint8), np.zeros((40, 12), np.int16))
    content = convert.int8_bytes(model, {120: records})
    network = LiteRt(content, "numbers", COLUMN_CLASSES)
    for width in WIDTHS_PX:
        strips = rng.integers(0, 256, (3, 40, width)).astype(np.uint8)
        logits = np.asarray(model(networks.scaled(strips)))
        int8 = network.outputs(strips[..., None])[0].reshape(logits.shape)
        assert np.abs(int8 - logits).mean() < 0.1 * logits.std()
