"""Stand-ins for the trained model and the reader, for the fast tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.engines.workers import Beat
from batch.errors import ModelError
from batch.inference import model_store
from batch.records import Manifest, Outcome, PreprocessSpec, ScanRef, Status

MANIFEST = Manifest(
    name="fake",
    version="fake-1",
    network="fake",
    classes=11,
    output="softmax",
    preprocess=PreprocessSpec(views=("boxed",)),
    temperature=1.0,
    review_below=0.5,
    refuse_above=0.5,
    files={},
)


@dataclass
class FakeClassifier:
    """A model that reads narrow ink as a 1, and any other ink as a 0."""

    manifest: Manifest = field(default=MANIFEST)

    def logits(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        logits = np.zeros((len(digits), 11), np.float32)
        columns = (digits[..., 0].max(axis=1) > 80).sum(axis=1)
        logits[np.arange(len(digits)), np.where(columns < 8, 1, 0)] = 8
        return logits


def save_fake_model(models: Path) -> Path:
    """Save a model folder that passes every check, though no runtime can load it."""
    return model_store.save(
        models, MANIFEST, {model_store.TFLITE_FILE: b"fake", model_store.KERAS_FILE: b"fake"}
    )


@dataclass
class FakeReader:
    """A reader that answers 7 for every scan, and misbehaves where the name of a scan says so."""

    def __call__(self, refs: Sequence[ScanRef], beat: Beat = lambda: None) -> list[Outcome]:
        for ref in refs:
            beat()
            if ref.name == "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            if ref.name == "hang":
                signal.pause()
            if ref.name == "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            if ref.name == "bug":
                raise IndexError("a bug")
            if ref.name == "memory":
                raise MemoryError
            if ref.name == "model":
                raise ModelError("the model is gone")
        return [Outcome(ref, Status.OK, sha256="0" * 64, label=7, confidence=0.99) for ref in refs]
