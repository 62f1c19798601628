"""One screen: a batch of scans in, their outcomes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from batch.errors import ImageError
from batch.images import decode
from batch.inference import classifier, model_store, steps
from batch.inference.decision import Decision, Thresholds
from batch.records import REFUSALS, Manifest, Outcome, Reason, ScanRef, Status
from batch.terminal import stderr


@dataclass(slots=True)
class Reader:
    """Reads scans; picklable, so that any engine can build it once where the work runs.

    Attributes:
        model_dir: folder of the model.
        runtime: `litert` or `tensorflow`.
        review_below: overrides the model's own threshold.
        max_pixels: images with more are `too_large`.
    """

    model_dir: Path
    runtime: str
    review_below: float | None
    max_pixels: int
    _read: tuple[Manifest, dict[str, bytes]] | None = field(default=None, init=False, repr=False)
    _loaded: tuple[classifier.Classifier, Thresholds] | None = field(default=None, init=False, repr=False)

    def check(self) -> Manifest:
        """Checks the model without loading it: the engine may want to fork before that.

        Raises:
            ModelError: it is missing or damaged.
            ConfigError: `review_below` is not a probability.
        """
        # One worker a core is the engine's doing; and OpenCV's own threads would not survive a fork.
        cv2.setNumThreads(1)
        if self._read is None:
            manifest = model_store.load_manifest(self.model_dir)
            Thresholds.of(manifest, self.review_below)
            self._read = manifest, classifier.read(self.model_dir, manifest, self.runtime)
        return self._read[0]

    def load(self) -> tuple[classifier.Classifier, Thresholds]:
        """Loads the model once in this process.

        What was checked travels with the reader: a worker needs no model folder, and one that is started late
        has the model that the run began with.

        Raises:
            ModelError: it is missing or damaged.
            MissingExtraError: the runtime is not installed.
        """
        if self._loaded is None:
            self.check()  # sets up OpenCV, too, in a process that was started anew
            assert self._read is not None
            manifest, files = self._read
            thresholds = Thresholds.of(manifest, self.review_below)
            self._loaded = classifier.build(files, manifest, self.runtime), thresholds
        return self._loaded

    def __call__(self, refs: Sequence[ScanRef]) -> list[Outcome]:
        """Reads `refs`; returns one outcome each, in the same order."""
        model, thresholds = self.load()
        with stderr.silence():  # the decoders tell the terminal what the rows say already
            return self._outcomes(refs, model, thresholds)

    def _outcomes(
        self, refs: Sequence[ScanRef], model: classifier.Classifier, thresholds: Thresholds
    ) -> list[Outcome]:
        outcomes: list[Outcome | None] = []
        waiting, prepared = [], []
        for chunk in decode.read_all(refs, self.max_pixels):
            for ref, image in chunk:
                if isinstance(image, ImageError):
                    outcomes.append(_not_read(ref, image))
                    continue
                waiting.append((len(outcomes), ref, image.sha256))
                outcomes.append(None)
                prepared.append(steps.prepare(image.grey, model.manifest.preprocess))
        decisions = steps.decide_all(prepared, model, thresholds)
        for (place, ref, sha256), scan, decision in zip(waiting, prepared, decisions, strict=True):
            if decision is None:
                outcomes[place] = Outcome(ref, Status.REFUSED, scan.refusal, sha256)
            else:
                outcomes[place] = _decided(ref, sha256, decision)
        return [outcome for outcome in outcomes if outcome is not None]


def _not_read(ref: ScanRef, error: ImageError) -> Outcome:
    status = Status.REFUSED if error.reason in REFUSALS else Status.FAILED
    return Outcome(ref, status, error.reason, error.sha256)


def _decided(ref: ScanRef, sha256: str, decision: Decision) -> Outcome:
    prediction = decision.prediction
    if decision.status is Status.REFUSED:
        return Outcome(ref, Status.REFUSED, Reason.NOT_A_DIGIT, sha256, not_a_digit=prediction.not_a_digit)
    return Outcome(
        ref,
        decision.status,
        decision.reason,
        sha256,
        prediction.label,
        prediction.confidence,
        prediction.probabilities,
        prediction.not_a_digit,
    )
