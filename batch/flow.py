"""One screen: a batch of scans in, their outcomes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from batch import classifier
from batch.digits import confidence, preprocess, quality
from batch.errors import ImageError
from batch.files import artefact
from batch.images import decode
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
    _loaded: tuple[classifier.Classifier, confidence.Thresholds] | None = field(
        default=None, init=False, repr=False
    )

    def check(self) -> Manifest:
        """Checks the model without loading it: the engine may want to fork before that.

        Raises:
            ModelError: it is missing or damaged.
            ConfigError: `review_below` is not a probability.
        """
        # One worker a core is the engine's doing; and OpenCV's own threads would not survive a fork.
        cv2.setNumThreads(1)
        if self._read is None:
            manifest = artefact.load_manifest(self.model_dir)
            confidence.Thresholds.of(manifest, self.review_below)
            self._read = manifest, classifier.read(self.model_dir, manifest, self.runtime)
        return self._read[0]

    def load(self) -> tuple[classifier.Classifier, confidence.Thresholds]:
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
            thresholds = confidence.Thresholds.of(manifest, self.review_below)
            self._loaded = classifier.build(files, manifest, self.runtime), thresholds
        return self._loaded

    def __call__(self, refs: Sequence[ScanRef]) -> list[Outcome]:
        """Reads `refs`; returns one outcome each, in the same order."""
        model, thresholds = self.load()
        with stderr.quiet():  # the decoders tell the terminal what the rows say already
            return self._outcomes(refs, model, thresholds)

    def _outcomes(
        self, refs: Sequence[ScanRef], model: classifier.Classifier, thresholds: confidence.Thresholds
    ) -> list[Outcome]:
        outcomes: list[Outcome | None] = []
        digits, waiting = [], []
        for some in decode.read_all(refs, self.max_pixels):
            scans = []
            for ref, image in some:
                if isinstance(image, ImageError):
                    outcomes.append(_not_read(ref, image))
                else:
                    scans.append((len(outcomes), ref, image))
                    outcomes.append(None)
            # One step for all of them, then the next: as of `images.read_all`.
            inks = [preprocess.find_ink(image.grey) for _, _, image in scans]
            for (place, ref, image), ink in zip(scans, inks, strict=True):
                refusal = quality.inspect(ink)
                if refusal is not None:
                    outcomes[place] = Outcome(ref, Status.REFUSED, refusal, image.sha256)
                    continue
                digits.append(preprocess.normalise(ink, model.manifest.preprocess))
                waiting.append((place, ref, image.sha256))
        if digits:
            decisions = confidence.decide(model.logits(np.stack(digits)), thresholds)
            for (place, ref, sha256), decision in zip(waiting, decisions, strict=True):
                outcomes[place] = _decided(ref, sha256, decision)
        return [outcome for outcome in outcomes if outcome is not None]


def _not_read(ref: ScanRef, error: ImageError) -> Outcome:
    status = Status.REFUSED if error.reason in REFUSALS else Status.FAILED
    return Outcome(ref, status, error.reason, error.sha256)


def _decided(ref: ScanRef, sha256: str, decision: confidence.Decision) -> Outcome:
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
