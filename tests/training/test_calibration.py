"""Figures of a model from its logits."""

import dataclasses

import numpy as np
import numpy.typing as npt

from batch.inference import model_store
from batch.records import Manifest
from batch.training import calibration
from batch.training.examples import Examples


@dataclasses.dataclass
class Fake:
    """A classifier with fixed logits."""

    manifest: Manifest
    fixed: npt.NDArray[np.float32]

    def logits(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return self.fixed


def test_a_refused_digit_counts_as_not_read() -> None:
    shipped = model_store.load_manifest(model_store.find(None))
    manifest = dataclasses.replace(shipped, temperature=1.0, refuse_above=0.5, review_below=0.9)
    logits = np.zeros((3, 11), np.float32)
    logits[0, 3] = logits[1, 4] = 20  # sure
    logits[2, 5], logits[2, 10] = 20, 22  # a five, if it were a digit
    tested = Examples(
        np.zeros((3, 28, 28, 5), np.uint8), np.array([3, 4, 5], np.int32), np.zeros(3, np.uint8)
    )
    figures = calibration.figures(Fake(manifest, logits), manifest, tested)
    assert (figures["n"], figures["correct"]) == (3, 2)
    assert figures["calibration_error"] < 0.01
