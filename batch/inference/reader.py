"""The way of a batch on one screen: scans in, outcomes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from batch.errors import ImageError
from batch.images import decode
from batch.inference import classifier, model_store
from batch.inference.classifier import Classifier
from batch.inference.decision import Decision, Thresholds
from batch.inference.steps import Prepared, decide_all, prepare
from batch.records import REFUSALS, Image, Manifest, Outcome, Reason, ScanRef, Status
from batch.terminal import stderr


def read_scans(
    refs: Sequence[ScanRef], model: Classifier, thresholds: Thresholds, max_pixels: int
) -> list[Outcome]:
    """Read a batch of scans: decode each, find its ink, ask the model, decide.

    Args:
        refs: The scans.
        model: The loaded model.
        thresholds: Thresholds of the model.
        max_pixels: An image with more pixels is `too_large`.

    Returns:
        One outcome for each scan, in the same order.

    Raises:
        InputError: Object storage cannot be read.
    """
    chunks = decode.read_all(refs, max_pixels)
    return read_images(itertools.chain.from_iterable(chunks), model, thresholds)


def read_images(
    images: Iterable[tuple[ScanRef, Image | ImageError]], model: Classifier, thresholds: Thresholds
) -> list[Outcome]:
    """Read a batch of decoded scans: find the ink of each, ask the model, decide.

    Args:
        images: Each scan with its image, or with the error that it has none.
        model: The loaded model.
        thresholds: Thresholds of the model.

    Returns:
        One outcome for each scan, in the same order.
    """
    spec = model.manifest.preprocess
    scans: list[tuple[ScanRef, str, Prepared | ImageError]] = []
    for ref, image in images:
        scan = image if isinstance(image, ImageError) else prepare(image.grey, spec)
        scans.append((ref, image.sha256, scan))

    prepared = [scan for _, _, scan in scans if isinstance(scan, Prepared)]
    decisions = iter(decide_all(prepared, model, thresholds))

    outcomes = []
    for ref, sha256, scan in scans:
        if isinstance(scan, ImageError):
            status = Status.REFUSED if scan.reason in REFUSALS else Status.FAILED
            outcomes.append(Outcome(ref, status, scan.reason, sha256))
        elif (decision := next(decisions)) is None:
            outcomes.append(Outcome(ref, Status.REFUSED, scan.refusal, sha256))
        else:
            outcomes.append(_decided(ref, sha256, decision))
    return outcomes


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


@dataclass(slots=True)
class Reader:
    """A model and its options as one function from scans to outcomes.

    A reader is picklable. An engine sends it to each process that works, and each loads the model once. What
    `check` read travels with it: a worker needs no model folder, and a late one uses the run's first model.

    Attributes:
        model_dir: Folder of the model.
        runtime: `litert` or `tensorflow`.
        review_below: The user's threshold, 0 to 1; None for the model's own.
        max_pixels: An image with more pixels is `too_large`.
    """

    model_dir: Path
    runtime: str
    review_below: float | None
    max_pixels: int
    _files: tuple[Manifest, dict[str, bytes]] | None = field(default=None, init=False, repr=False)
    _loaded: tuple[Classifier, Thresholds] | None = field(default=None, init=False, repr=False)

    def __call__(self, refs: Sequence[ScanRef]) -> list[Outcome]:
        """Read a batch of scans; load the model first if this process has not.

        Args:
            refs: The scans; may be empty, e.g. only to load the model.

        Returns:
            One outcome for each scan, in the same order.

        Raises:
            InputError: Object storage cannot be read.
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability.
            MissingExtraError: The runtime is not installed.
        """
        model, thresholds = self.load()
        with stderr.silence():  # the decoders print warnings, and the rows say the same
            return read_scans(refs, model, thresholds, self.max_pixels)

    def check(self) -> Manifest:
        """Check the model without loading it, so that the engine can still fork this process.

        Returns:
            The manifest of the model.

        Raises:
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability.
        """
        return self._read_files()[0]

    def load(self) -> tuple[Classifier, Thresholds]:
        """Load the model, once in each process.

        Returns:
            The loaded model, and its thresholds with the user's `review_below`.

        Raises:
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability.
            MissingExtraError: The runtime is not installed.
        """
        if self._loaded is None:
            manifest, files = self._read_files()
            thresholds = Thresholds.of(manifest, self.review_below)
            self._loaded = classifier.build(files, manifest, self.runtime), thresholds
        return self._loaded

    def _read_files(self) -> tuple[Manifest, dict[str, bytes]]:
        # The engine runs one worker for each core, and OpenCV's own threads would not survive a fork.
        cv2.setNumThreads(1)
        if self._files is None:
            manifest = model_store.load_manifest(self.model_dir)
            Thresholds.of(manifest, self.review_below)
            self._files = manifest, classifier.read(self.model_dir, manifest, self.runtime)
        return self._files
