"""The parts of the training of the reader of numbers."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from batch.inference import model_store
from batch.inference.look_networks import scaled
from batch.inference.number_decision import NumberThresholds
from batch.inference.runtimes import LiteRt
from batch.preprocessing.number_line import WIDTHS_PX
from batch.storage import durable
from batch.training import model_writer
from command import ROOT


@pytest.mark.slow
@pytest.mark.parametrize("look_slope", [0.3, 0.0, -0.3])
def test_the_fitted_confidence_is_calibrated(look_slope: float) -> None:
    from batch.training.numbers import calibrate

    rng = np.random.default_rng(1)
    odds = rng.normal(3, 3, 20_000)
    seen = rng.normal(1, 2, 20_000) if look_slope else np.zeros(20_000)
    right = rng.random(20_000) < 1 / (1 + np.exp(-(0.6 * odds + look_slope * seen - 0.5)))
    fitted = calibrate._fit_odds(calibrate._Answers(odds, seen, right, np.ones(len(odds))))
    if look_slope < 0:  # looks that are wrong about what they are sure of have no say
        assert fitted.look_slope == 0
        return
    assert fitted[:3] == pytest.approx((0.6, look_slope, -0.5), abs=0.05)
    thresholds = NumberThresholds(
        fitted.slope, fitted.offset, 0.0, 1.0, look_weight=1.0, look_slope=fitted.look_slope
    )
    assert thresholds.confidence(0.5) == pytest.approx(1 / (1 + np.exp(0.5)), abs=0.02)
    assert thresholds.confidence(0.0) < thresholds.confidence(1.0) < 1


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
        logits = np.asarray(model(scaled(strips[..., None])))
        int8 = network.outputs(strips[..., None])[0].reshape(logits.shape)
        assert np.abs(int8 - logits).mean() < 0.1 * logits.std()


@pytest.mark.slow
@pytest.mark.parametrize("calls", range(5))
def test_a_kill_while_it_is_installed_leaves_a_whole_model(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from batch.training.numbers import finish

    folder = tmp_path / "mine"
    shutil.copytree(ROOT / "models" / "cnn", folder)
    (folder / "notes.txt").write_text("mine")
    before = model_store.load_manifest(folder)
    left = [calls]

    def counted(name: str) -> None:
        real = getattr(durable, name)

        def call(*arguments: object) -> object:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
            return real(*arguments)

        monkeypatch.setattr(durable, name, call)

    for name in ("replace", "exchange"):
        counted(name)
    thresholds = NumberThresholds(1.0, 0.0, 0.5, 1.0)
    stopped = False
    try:
        finish._install(folder, b"new", thresholds, {}, 1, 1)
    except KeyboardInterrupt:
        stopped = True
    after = model_store.load_manifest(folder)
    for file in after.files:
        model_store.read_verified(folder, after, file)
    assert (after.numbers_version == before.numbers_version) == stopped
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.slow
def test_other_looks_make_another_version_of_numbers(tmp_path: Path) -> None:
    from batch.training.numbers import finish

    versions = set()
    for look in (b"looks", b"others"):
        folder = tmp_path / look.decode()
        shutil.copytree(ROOT / "models" / "cnn", folder)
        manifest = model_store.load_manifest(folder)
        files = {**manifest.files, model_store.LOOK_FILE: model_store.digest(look)}
        manifest = dataclasses.replace(manifest, files=files)
        model_writer.rewrite_card(folder, manifest, "")
        finish._install(folder, b"new", NumberThresholds(1.0, 0.0, 0.5, 1.0), {}, 1, 1)
        versions.add(model_store.load_manifest(folder).numbers_version)
    assert len(versions) == 2
