"""The nouns that travel between the modules, as small frozen records.

The records that travel between processes with each scan are tuples. Python makes them in half the time of a
dataclass, and sends them in a third.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""A grey image, (height, width), 0 black to 255 white."""


class Status(StrEnum):
    """The result of a scan, as the word in the CSV."""

    OK = "ok"
    REVIEW = "review"
    REFUSED = "refused"
    FAILED = "failed"


class Reason(StrEnum):
    """The reason why a scan is not `ok`, as the machine word in the CSV. Later versions may add words."""

    # review
    LOW_CONFIDENCE = "low_confidence"
    # refused
    BLANK = "blank"
    SEVERAL_DIGITS = "several_digits"
    NOT_A_DIGIT = "not_a_digit"
    SEVERAL_PAGES = "several_pages"
    TOO_SMALL = "too_small"
    WRONG_LENGTH = "wrong_length"
    NOT_A_NUMBER = "not_a_number"
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
    ENCRYPTED = "encrypted"
    NOT_A_FILE = "not_a_file"
    WORKER_CRASHED = "worker_crashed"
    NO_MEMORY = "no_memory"
    TIMEOUT = "timeout"


TRANSIENT = frozenset(
    {
        Reason.UNREADABLE,
        Reason.VANISHED,
        Reason.CHANGED,
        Reason.WORKER_CRASHED,
        Reason.NO_MEMORY,
        Reason.TIMEOUT,
    }
)
"""Reasons that may pass by tomorrow although the file stays the same."""

REFUSALS = frozenset(
    {
        Reason.BLANK,
        Reason.SEVERAL_DIGITS,
        Reason.NOT_A_DIGIT,
        Reason.SEVERAL_PAGES,
        Reason.TOO_SMALL,
        Reason.WRONG_LENGTH,
        Reason.NOT_A_NUMBER,
    }
)
"""Reasons of images that are not one digit, or no number. Every other one of an `ImageError` is a failure."""


class After(StrEnum):
    """The ways to dispose of a scan once its row is published."""

    LEAVE = "leave"
    MOVE = "move"
    DELETE = "delete"


class Polarity(StrEnum):
    """The darker of ink and paper."""

    DARK_ON_LIGHT = "dark_on_light"
    LIGHT_ON_DARK = "light_on_dark"


Beat = Callable[[], object]
"""A function to call before each step of what may take long, so that others see that it goes on."""


class ScanRef(NamedTuple):
    """A file to read.

    Attributes:
        path: Its path; undecodable bytes of the name are surrogates (`os.fsdecode`).
        name: Its name in the CSV, before escaping.
        size_bytes: Size when digitbox found it; -1 before digitbox has looked at it.
        mtime_ns: Modification time when digitbox found it.
        inode: Inode number when digitbox found it.
        source: The folder, the bucket or the root of the glob in which digitbox found it; absolute, before
            escaping. All scans of a search share one string. Empty if no search found it.
        ctime_ns: Time of its last change of any kind when digitbox found it; 0 if digitbox does not know.
    """

    path: str
    name: str
    size_bytes: int = -1
    mtime_ns: int = 0
    inode: int = 0
    source: str = ""
    ctime_ns: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Image:
    """The decoded content of a file, or of one of its pages.

    Attributes:
        grey: The grey image, uint8, (height, width).
        sha256: Hex digest of the bytes that it was decoded from.
        page: The page of the file, from 1; 0 if the file has one page.
        pages: Number of pages of the file.
    """

    grey: Grey
    sha256: str
    page: int = 0
    pages: int = 1


@dataclass(frozen=True, slots=True)
class Prediction:
    """The model's answer for one digit.

    Attributes:
        label: The digit, 0 to 9.
        confidence: Calibrated probability that `label` is right, 0 to 1.
        probabilities: Those of the ten digits; they sum to 1.
        not_a_digit: Probability that the scan is not one digit, 0 to 1; 0 for models without that class.
    """

    label: int
    confidence: float
    probabilities: tuple[float, ...]
    not_a_digit: float = 0.0


class Outcome(NamedTuple):
    """The result of one scan, or of one page of it, which is one row of the CSV.

    Attributes:
        ref: The scan.
        status: Its status.
        reason: The reason why it is not `ok`; None if it is.
        sha256: Hex digest of the bytes that digitbox read; empty if it could read none.
        label: The digit, 0 to 9; the number as text, with its leading zeros, if the run reads numbers; None
            if the scan was refused or failed.
        confidence: Calibrated probability that `label` is right; None if there is no label.
        probabilities: Those of the ten digits; empty if the model did not see the scan.
        not_a_digit: Probability that the scan is not one digit; None if the model did not see it.
        page: The page of the file, from 1; 0 if the file has one page, or could not be read as a whole.
        pages: Number of pages of the file.
        digit_confidences: Those of the digits of a number; empty if no number was read.
        extra: The extra of digitbox that it needs and that is not installed; empty for none.
    """

    ref: ScanRef
    status: Status
    reason: Reason | None = None
    sha256: str = ""
    label: int | str | None = None
    confidence: float | None = None
    probabilities: tuple[float, ...] = ()
    not_a_digit: float | None = None
    page: int = 0
    pages: int = 1
    digit_confidences: tuple[float, ...] = ()
    extra: str = ""

    @property
    def is_announcement(self) -> bool:
        """Return whether this stands for all pages of a file, which a reader gives one after the other."""
        return self.reason is Reason.SEVERAL_PAGES and self.pages > 1

    @property
    def may_be_unfinished(self) -> bool:
        """Return whether the file failed as a whole, as one still on its way does; a page fails for good."""
        return self.status is Status.FAILED and not self.page

    @property
    def is_last_page(self) -> bool:
        """Return whether no page of its file comes after this one."""
        return self.page in (0, self.pages)


def by_file(outcomes: Iterable[Outcome]) -> Iterator[list[Outcome]]:
    """Yield the outcomes of each file: one, or those of its pages.

    Args:
        outcomes: The outcomes of whole files, one file after the other.
    """
    pages: list[Outcome] = []
    for outcome in outcomes:
        pages.append(outcome)
        if outcome.is_last_page:
            yield pages
            pages = []


class Input(StrEnum):
    """What a model sees of a scan."""

    SCAN = "scan"
    DIGIT = "digit"


@dataclass(frozen=True, slots=True)
class PreprocessSpec:
    """The way from a grey image to the model's input. The model depends on it and its manifest holds it.

    Attributes:
        input: `scan` for the whole scan in 64x64 levels; `digit` for the digit in it, in 28x28 levels.
        version: Version of the algorithm; digitbox refuses a model with another version.
    """

    input: Input
    version: int


SPECS = {Input.SCAN: PreprocessSpec(Input.SCAN, 1), Input.DIGIT: PreprocessSpec(Input.DIGIT, 2)}
"""The spec of this version of digitbox for each kind of input."""
CLASSES_OF = {Input.SCAN: 12, Input.DIGIT: 10}
"""Classes of a model for each kind of input: the ten digits; with a scan also several digits and no digit."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """The JSON of a model folder.

    Attributes:
        name: Name of the folder.
        version: Version for the CSV; unique to the weights.
        network: Name of the network: `cnn` or `mlp`.
        classes: Number of classes, see `CLASSES_OF`.
        output: How logits become probabilities: `softmax` or `sigmoid`.
        preprocess: The preprocessing that makes the model's input.
        temperature: Divisor of the logits, fitted on data that was held out; of a cnn, 1.
        review_below: Confidence below which a prediction is `review`.
        files: SHA-256 by file name.
        metrics: Figures, with the number of images that they were measured on.
        datasets: The data sets of the training, with licences.
        seed: Seed of the training.
        start: Version of the model that the training began with; empty for a new one.
        refuse_above: Probability of no or several digits from which digitbox refuses a scan.
        look_above: Probability of a digit from which each look but the last answers it; see `LookRules`.
        look_several_prior: How often several digits occur in practice beside the scenes of the fit.
        look_none_prior: How often no digit occurs, likewise.
        look_weights: Weights of what was seen so far after each look, see `LookRules`; empty without looks.
        look_several_above: Probability of several digits from which a look refuses a scan.
        look_training: How the looks were trained, in words; empty for a model without looks.
        look_fit: How the weights and thresholds of the looks were fitted, in words.
        numbers_slope: Slope of the confidence of numbers; see `batch.inference.numbers`.
        numbers_offset: Offset of the same.
        numbers_review_below: Confidence below which a number is `review`.
        numbers_other_length: Weight of lengths of a number that the user does not allow.
        numbers_look_weight: Weight of what the look says of the digits of a number.
        numbers_look_slope: Slope of the same in the confidence.
        numbers_version: Version of the reader of numbers, for the CSV; empty for a model without one.
        numbers_metrics: Its figures.
        numbers_training: How it was trained, in words; empty for a model without one.
        versions: Versions of the libraries that made the model.
    """

    name: str
    version: str
    network: str
    classes: int
    output: str
    preprocess: PreprocessSpec
    temperature: float
    review_below: float
    files: Mapping[str, str]
    metrics: Mapping[str, object] = field(default_factory=dict)
    datasets: tuple[Mapping[str, str], ...] = ()
    seed: int = 0
    start: str = ""
    refuse_above: float = 1.0
    look_above: tuple[float, ...] = ()
    look_several_prior: float = 1.0
    look_none_prior: float = 1.0
    look_weights: tuple[tuple[float, ...], ...] = ()
    look_several_above: float = 1.0
    look_training: str = ""
    look_fit: str = ""
    numbers_slope: float = 1.0
    numbers_offset: float = 0.0
    numbers_review_below: float = 1.0
    numbers_other_length: float = 1.0
    numbers_look_weight: float = 0.0
    numbers_look_slope: float = 0.0
    numbers_version: str = ""
    numbers_metrics: Mapping[str, object] = field(default_factory=dict)
    numbers_training: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """The figures of a run so far, for people, programs and the history in the ledger.

    `seen` is always the sum of `ok`, `review`, `refused`, `failed` and `left`. A file counts once for each of
    its pages when it has been read, and once before.

    Attributes:
        run: Identifier of the run.
        command: The command, `run` or `watch`.
        pid: Identifier of its process.
        started_at: Start, UTC, ISO 8601.
        finished_at: End, in the same form; None while the run goes on, and for ever if it was killed.
        exit_code: Exit code of the process; None like `finished_at`.
        error: The error that stopped it, in one line; empty if none did.
        seconds: Duration.
        model: Version of the model; empty if the run did not load one.
        scans: Number of files that it read; 0 in the entry of an older digitbox, which did not count them.
        counts: Number of rows, by status: one for each scan, or for each page of a file of several.
        reasons: Number of those that are not ok, by reason.
        left: Number of scans that it found and that have no row.
        skipped: Number of other files that it met.
        settled: Number of scans that it left out because they had their row.
        batches: Number of files of results.
        mean_confidence: Mean confidence of the scans that have one; None if none has.
        drift: By status, the rise of its share over the runs before; empty if none rose.
        inputs: Absolute paths and globs of the inputs.
        recursive: True if the run searched the folders in folders.
        ignore: Patterns of names that it passed over.
        results: Absolute paths, or addresses, of its files of results, with those that a killed run had left
            unfinished. `digitbox.run` returns them; the history has none.
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
    scans: int = 0
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
    results: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(self.counts.values())

    @property
    def seen(self) -> int:
        """Return the number of rows, and of the scans that are left."""
        return self.rows + self.left

    @property
    def coverage(self) -> float | None:
        """Return the share of the rows that are ok; None without rows."""
        return self.counts.get(Status.OK, 0) / self.rows if self.rows else None

    @property
    def rate(self) -> float:
        """Return the number of rows a second."""
        return self.rows / max(self.seconds, 1e-9)
