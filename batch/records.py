"""The nouns that travel between the modules: small frozen records.

Those of which there is one for each scan are tuples: Python makes them in half the time, and sends them from
process to process in a third.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

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


TRANSIENT = frozenset({Reason.UNREADABLE, Reason.VANISHED, Reason.CHANGED, Reason.WORKER_CRASHED})
"""Reasons that may be gone tomorrow, though the file is the same."""

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


class ScanRef(NamedTuple):
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


class Outcome(NamedTuple):
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
        look_temperature: Divisor of the look's logits; see `batch.inference.look` for all that begins so.
        look_above: Probability of a digit from which the look answers it.
        look_several_above: Probability of several digits from which the look refuses a scan.
        look_several_doubt: Probability of several digits from which an answer of the model needs review.
        look_none_doubt: The same for the probability of no digit.
        look_other_doubt: The same for the probability of another digit.
        look_datasets: Data sets of the look, with licences.
        look_training: One sentence that says how the look was trained; empty for a model without one.
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
    look_temperature: float = 1.0
    look_above: float = 1.0
    look_several_above: float = 1.0
    look_several_doubt: float = 1.0
    look_none_doubt: float = 1.0
    look_other_doubt: float = 1.0
    look_datasets: tuple[Mapping[str, str], ...] = ()
    look_training: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a run did, or has done so far: for people, for programs, for the history in the ledger.

    `seen` is always the sum of `ok`, `review`, `refused`, `failed` and `left`.

    Attributes:
        run: identifies it.
        command: `run` or `watch`.
        pid: of its process.
        started_at: UTC, ISO 8601.
        finished_at: the same; None as long as it goes on, and for ever when it was killed.
        exit_code: of the process; None as above.
        error: what stopped it, in one line; empty when nothing did.
        seconds: it took.
        model: version of the model; empty when it came to none.
        counts: scans that have a row, by status.
        reasons: those of them that are not ok, by reason.
        left: scans that were found to be read, and have no row.
        skipped: other files that were met.
        settled: scans left out because they have had their row.
        batches: files of results.
        mean_confidence: of the scans that have one; None when none has.
        drift: by status, how much more of it there is than in the runs before; empty when all is as ever.
        inputs: absolute paths and globs of what was read.
        recursive: whether folders were searched to the bottom.
        ignore: patterns of names that were passed over.
    """

    run: str
    command: str
    pid: int
    started_at: str
    finished_at: str | None = None
    exit_code: int | None = None
    error: str = ""
    seconds: float = 0.0
    model: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    left: int = 0
    skipped: int = 0
    settled: int = 0
    batches: int = 0
    mean_confidence: float | None = None
    drift: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    recursive: bool = True
    ignore: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Number of scans that have a row."""
        return sum(self.counts.values())

    @property
    def seen(self) -> int:
        """Number of scans that were found to be read."""
        return self.rows + self.left

    @property
    def coverage(self) -> float | None:
        """Share of the rows that are ok; None when there are none."""
        return self.counts.get(Status.OK, 0) / self.rows if self.rows else None

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / max(self.seconds, 1e-9)
