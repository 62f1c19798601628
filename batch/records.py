"""The nouns that travel between the modules: small frozen records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""A grey image, (height, width), 0 black to 255 white."""


class Status(StrEnum):
    """What became of a scan; the word in the CSV."""

    OK = "ok"
    REVIEW = "review"
    REFUSED = "refused"
    FAILED = "failed"


class Reason(StrEnum):
    """Why a scan is not `ok`; the machine word in the CSV. New ones may be added."""

    # review
    LOW_CONFIDENCE = "low_confidence"
    # refused
    BLANK = "blank"
    SEVERAL_DIGITS = "several_digits"
    NOT_A_DIGIT = "not_a_digit"
    SEVERAL_PAGES = "several_pages"
    TOO_SMALL = "too_small"
    # failed
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    CHANGED = "changed"
    NOT_A_FILE = "not_a_file"
    WORKER_CRASHED = "worker_crashed"


REFUSALS = frozenset(
    {
        Reason.BLANK,
        Reason.SEVERAL_DIGITS,
        Reason.NOT_A_DIGIT,
        Reason.SEVERAL_PAGES,
        Reason.TOO_SMALL,
    }
)
"""Reasons that mean: an image, but not one digit. Every other reason of an `ImageError` is a failure."""


class After(StrEnum):
    """What becomes of a scan when its row is published."""

    LEAVE = "leave"
    MOVE = "move"
    DELETE = "delete"


class Polarity(StrEnum):
    """Which of ink and paper is the darker."""

    DARK_ON_LIGHT = "dark_on_light"
    LIGHT_ON_DARK = "light_on_dark"


@dataclass(frozen=True, slots=True)
class ScanRef:
    """A file to read.

    Attributes:
        path: where it is; undecodable bytes of the name as surrogates (`os.fsdecode`).
        name: how the CSV calls it, before escaping.
        size_bytes: size when it was found; -1 when it was not looked at yet.
        mtime_ns: modification time when it was found.
        inode: inode number when it was found.
    """

    path: str
    name: str
    size_bytes: int = -1
    mtime_ns: int = 0
    inode: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """The decoded content of one file.

    Attributes:
        grey: uint8, (height, width).
        sha256: hex digest of the bytes it was decoded from.
    """

    grey: Grey
    sha256: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says of one digit.

    Attributes:
        label: 0 to 9.
        confidence: calibrated probability that `label` is right, 0 to 1.
        probabilities: of the ten digits, summing to 1.
        not_a_digit: probability that it is no digit at all, 0 to 1; 0 for models without that class.
    """

    label: int
    confidence: float
    probabilities: tuple[float, ...]
    not_a_digit: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one scan: one row of the CSV.

    Attributes:
        ref: the scan.
        status: what became of it.
        reason: why it is not `ok`, or None.
        sha256: of the bytes that were read; empty when none could be.
        label: 0 to 9; None when the scan was refused or failed.
        confidence: calibrated probability that `label` is right; None as above.
        probabilities: of the ten digits; empty as above.
        not_a_digit: probability that it is none, from the model; None when the model did not see it.
    """

    ref: ScanRef
    status: Status
    reason: Reason | None = None
    sha256: str = ""
    label: int | None = None
    confidence: float | None = None
    probabilities: tuple[float, ...] = ()
    not_a_digit: float | None = None


VIEW_CHANNELS = {"boxed": 1, "context": 4}
"""Views of a scan that a model can ask for, and how many channels of its input each takes."""


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """What turns a grey image into the model's input; saved with the model, which depends on it.

    Attributes:
        version: of the algorithm; a model with another version is refused.
        views: what the model's input is made of, in order, of `VIEW_CHANNELS`.
    """

    version: int = 2
    views: tuple[str, ...] = ("boxed",)

    @property
    def channels(self) -> int:
        """Number of channels of the model's input."""
        return sum(VIEW_CHANNELS[view] for view in self.views)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The JSON of a model folder.

    Attributes:
        name: of the folder.
        version: for the CSV; unique to the weights.
        network: its name in `learn.network`.
        classes: 10, or 11 with `not a digit` last.
        output: `softmax` or `sigmoid`: how logits become probabilities.
        preprocess: what the model's input is made with.
        temperature: logits are divided by it; fitted on data not trained on.
        review_below: confidence under which a prediction is `review`.
        refuse_above: probability of `not a digit` above which a scan is `refused`.
        student_temperature: of the small model that looks first, where there is one.
        student_above: confidence from which its answer stands.
        files: SHA-256 by file name.
        metrics: figures with the number of images they were measured on.
        datasets: what was trained on, with licences.
        seed: of the training.
        start: version of the model that the training went on from; empty for a new one.
        versions: of the libraries it was made with.
    """

    name: str
    version: str
    network: str
    classes: int
    output: str
    preprocess: PreprocessSpec
    temperature: float
    review_below: float
    refuse_above: float
    files: Mapping[str, str]
    metrics: Mapping[str, object] = field(default_factory=dict)
    datasets: tuple[Mapping[str, str], ...] = ()
    seed: int = 0
    start: str = ""
    student_temperature: float = 1.0
    student_above: float = 1.0
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did, for the summary line and the exit code.

    Attributes:
        counts: scans that have a row, by status.
        skipped: other files that were met.
        settled: scans left out because they have had their row.
        published: files of results.
        not_retired: why scans could not be moved or deleted; empty when all could.
        seconds: it took.
    """

    counts: Mapping[Status, int]
    skipped: int
    settled: int
    published: tuple[Path, ...]
    not_retired: str
    seconds: float

    @property
    def rows(self) -> int:
        """Number of scans that have a row."""
        return sum(self.counts.values())
