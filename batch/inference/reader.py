"""The way of a batch on one screen: scans in, outcomes out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from batch.errors import ImageError
from batch.images import decode
from batch.inference import model_store, models
from batch.inference.decision import Decision, check_review_below
from batch.inference.models import Model
from batch.inference.number_decision import NumberDecision
from batch.inference.number_steps import decide_numbers
from batch.inference.steps import examine_all
from batch.lengths import ONE, Lengths
from batch.records import REFUSALS, Beat, Image, Manifest, Outcome, ScanRef, Status
from batch.terminal import stderr

MAX_PAGES_AT_ONCE = 64  # of a file that is read together with others


def read_scans(
    refs: Sequence[ScanRef], model: Model, max_pixels: int, beat: Beat = lambda: None
) -> list[Outcome]:
    """Read a batch of scans: decode each, show it to the model, decide.

    Args:
        refs: The scans.
        model: The loaded model.
        max_pixels: An image with more pixels is `too_large`.
        beat: A function that it calls before each image.

    Returns:
        One outcome for each page of each scan, in the same order. A file of more than `MAX_PAGES_AT_ONCE`
        pages has a single one, `several_pages`: it is for `read_pages`.

    Raises:
        InputError: Object storage cannot be read.
    """
    return read_images(_with_beats(decode.read_all(refs, max_pixels, MAX_PAGES_AT_ONCE, beat), beat), model)


def _with_beats(images: Iterator[decode.Read], beat: Beat) -> Iterator[decode.Read]:
    while True:
        beat()
        image = next(images, None)
        if image is None:
            return
        yield image


def read_pages(
    ref: ScanRef,
    model: Model,
    max_pixels: int,
    first: int = 1,
    *,
    one_by_one: bool = False,
    beat: Beat = lambda: None,
) -> Iterator[list[Outcome]]:
    """Read the pages of one file, a few at a time, however many it has.

    Args:
        ref: The file.
        model: The loaded model.
        max_pixels: A page with more pixels is `too_large`.
        first: The page to begin with, from 1.
        one_by_one: Yield each page before reading the next.
        beat: A function that it calls before each page.

    Yields:
        First an outcome that is `several_pages` and has their number, then the outcomes of the next pages. A
        file of one page, or one that cannot be read as a whole, has one outcome only.

    Raises:
        InputError: Object storage cannot be read.
    """
    images = _with_beats(decode.read_pages(ref, max_pixels, first, beat), beat)
    yield read_images(itertools.islice(images, 1), model)
    chunks = ([image] for image in images) if one_by_one else decode.in_chunks(images)
    for chunk in chunks:
        yield read_images(chunk, model)


def read_images(images: Iterable[tuple[ScanRef, Image | ImageError]], model: Model) -> list[Outcome]:
    """Read a batch of decoded pages: show each to the model, decide.

    Args:
        images: The scan of each page with its image, or with the error that it has none.
        model: The loaded model.

    Returns:
        One outcome for each page, in the same order.
    """
    outcomes = []
    for chunk in decode.in_chunks(images):  # no more pixels than a chunk's are in memory
        greys = [image.grey for _, image in chunk if isinstance(image, Image)]
        decisions: Iterator[Decision | NumberDecision]
        if model.numbers is not None:
            decisions = (line.decision for line in decide_numbers(greys, model, model.numbers))
        else:
            decisions = (examined.decision for examined in examine_all(greys, model))
        for ref, image in chunk:
            if isinstance(image, ImageError):
                status = Status.REFUSED if image.reason in REFUSALS else Status.FAILED
                outcome = Outcome(ref, status, image.reason, image.sha256, page=image.page, pages=image.pages)
                outcomes.append(outcome._replace(extra=image.extra))
            else:
                outcomes.append(_decided(ref, image, next(decisions)))
    return outcomes


def _decided(ref: ScanRef, image: Image, decision: Decision | NumberDecision) -> Outcome:
    status = decision.status
    outcome = Outcome(ref, status, decision.reason, image.sha256, page=image.page, pages=image.pages)
    if isinstance(decision, NumberDecision):
        if status is Status.REFUSED:
            return outcome
        return outcome._replace(
            label=decision.number,
            confidence=decision.confidence,
            digit_confidences=decision.digit_confidences,
        )
    prediction = decision.prediction
    if prediction is None:
        return outcome
    outcome = outcome._replace(probabilities=prediction.probabilities, not_a_digit=prediction.not_a_digit)
    if status is Status.REFUSED:
        return outcome
    return outcome._replace(label=prediction.label, confidence=prediction.confidence)


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
        digits: The numbers of digits that a scan may hold.
    """

    model_dir: Path
    runtime: str
    review_below: float | None
    max_pixels: int
    digits: Lengths = ONE
    _files: tuple[Manifest, dict[str, bytes]] | None = field(default=None, init=False, repr=False)
    _loaded: Model | None = field(default=None, init=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: the options and what `check` read, and not the loaded model."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "_loaded"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what has travelled."""
        for name, value in state.items():
            setattr(self, name, value)
        self._loaded = None

    def __call__(self, refs: Sequence[ScanRef], beat: Beat = lambda: None) -> list[Outcome]:
        """Read a batch of scans; load the model first if this process has not.

        Args:
            refs: The scans; may be empty, e.g. only to load the model.
            beat: A function that it calls before each image, so that others see that it goes on.

        Returns:
            One outcome for each page of each scan; see `read_scans`.

        Raises:
            InputError: Object storage cannot be read.
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability; or the model or the runtime reads no numbers.
            MissingExtraError: The runtime is not installed.
        """
        model = self.load()
        with stderr.silence():  # the decoders print warnings, and the rows say the same
            return read_scans(refs, model, self.max_pixels, beat)

    def pages(
        self,
        ref: ScanRef,
        first: int = 1,
        *,
        one_by_one: bool = False,
        beat: Beat = lambda: None,
    ) -> Iterator[list[Outcome]]:
        """Read the pages of one file; see `read_pages`. Load the model first if this process has not.

        Raises:
            RunError: See `__call__`.
        """
        model = self.load()
        with stderr.silence():
            yield from read_pages(ref, model, self.max_pixels, first, one_by_one=one_by_one, beat=beat)

    def check(self) -> Manifest:
        """Check the model without loading it, so that the engine can still fork this process.

        Returns:
            The manifest of the model.

        Raises:
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability; or the model or the runtime reads no numbers.
        """
        return self._read_files()[0]

    def load(self) -> Model:
        """Load the model, once in each process.

        Returns:
            The loaded model, with the user's `review_below`.

        Raises:
            ModelError: The model is missing or damaged.
            ConfigError: `review_below` is not a probability; or the model or the runtime reads no numbers.
            MissingExtraError: The runtime is not installed.
        """
        if self._loaded is None:
            manifest, files = self._read_files()
            self._loaded = models.build(files, manifest, self.runtime, self.review_below, self.digits)
        return self._loaded

    def _read_files(self) -> tuple[Manifest, dict[str, bytes]]:
        if self._files is None:
            check_review_below(self.review_below)
            manifest = model_store.load_manifest(self.model_dir)
            self._files = manifest, models.read(self.model_dir, manifest, self.runtime, self.digits)
        return self._files
