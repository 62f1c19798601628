"""Figures of a model from its logits."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from batch.records import Manifest
from batch.training import calibration
from batch.training.examples import Examples
from fakes import MANIFEST


@dataclasses.dataclass
class Fake:
    """A classifier with fixed logits."""

    manifest: Manifest
    fixed: npt.NDArray[np.float32]

    def __call__(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self.fixed


def test_a_refused_digit_counts_as_not_read() -> None:
    manifest = dataclasses.replace(MANIFEST, review_below=0.9)
    logits = np.zeros((3, 10), np.float32)
    logits[0, 3] = logits[1, 4] = logits[2, 6] = 20  # sure, the last one wrongly
    tested = Examples(np.zeros((3, 28, 28, 1), np.uint8), np.array([3, 4, 5], np.int32))
    figures = calibration.figures(Fake(manifest, logits), manifest, tested, 4)
    assert (figures["n"], figures["correct"], figures["ok_fraction"]) == (4, 2, 0.75)
    assert figures["ok_wrong_fraction"] == pytest.approx(1 / 3, abs=1e-6)


def test_the_threshold_keeps_the_risk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "LOGITS_CHUNK", 3000)
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 10, 3000).astype(np.int32)
    logits = rng.normal(0, 1, (3000, 10)).astype(np.float32)
    logits[np.arange(3000), labels] += rng.uniform(0, 9, 3000).astype(np.float32)
    tested = Examples(np.zeros((3000, 28, 28, 1), np.uint8), labels)
    fake = Fake(MANIFEST, logits)
    manifest = calibration.calibrated(fake, MANIFEST, tested)
    figures = calibration.figures(fake, manifest, tested, 3000)
    assert 0 < figures["ok_wrong_fraction"] <= calibration.MAX_RISK
    assert figures["ok_fraction"] < figures["accuracy"]
