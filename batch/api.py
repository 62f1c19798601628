"""The door for Python programs: `import digitbox` gives what is here.

Examples:
    >>> import digitbox
    >>> result = digitbox.read("inbox/sample-01-pen.png")
    >>> result.prediction, result.status.value
    (3, 'ok')
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Iterable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, overload

import numpy as np
import numpy.typing as npt

from batch.config import MAX_PIXELS, RunOptions
from batch.errors import ConfigError, ImageError
from batch.images import decode
from batch.inference import model_store, reader
from batch.locations import parse_outbox
from batch.records import Image, Outcome, Reason, RunSummary, ScanRef, Status
from batch.run import job
from batch.terminal import stderr

Source = str | PathLike[str] | bytes | BinaryIO | npt.NDArray[Any]
"""A scan: a path, the bytes of a file, an open binary file, or the pixels as an array.

An array is (height, width) grey or (height, width, 3) in colour; uint8, uint16, or float.
"""


_EMPTY = ImageError(Reason.EMPTY, "there are no bytes")


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """What digitbox reads in one scan.

    Attributes:
        prediction: The digit, 0 to 9; None if the scan was refused or failed.
        confidence: The calibrated probability that the prediction is right, 0 to 1; None as above.
        status: `ok`, `review`, `refused` or `failed`.
        reason: Why the status is not `ok`; None if it is.
        probabilities: Those of the ten digits, which sum to 1; empty if there is no prediction.
    """

    prediction: int | None
    confidence: float | None
    status: Status
    reason: Reason | None
    probabilities: tuple[float, ...]

    @classmethod
    def of(cls, outcome: Outcome) -> Result:
        """Return the result that an outcome stands for."""
        return cls(outcome.label, outcome.confidence, outcome.status, outcome.reason, outcome.probabilities)


class Reader:
    """A model that stays loaded.

    Several threads may call it; they wait for each other. It can be pickled, and loads the model again after
    that.

    Args:
        model: A name or a folder; None for the default model.
        review_below: The confidence below which a result is `review`, 0 to 1; None for the model's own.
        max_pixels: An image with more pixels fails as `too_large`.

    Raises:
        ConfigError: `review_below` is no probability.
        ModelError: The model is missing or damaged.

    Examples:
        >>> import digitbox
        >>> reader = digitbox.Reader()
        >>> [result.prediction for result in reader(["inbox/sample-01-pen.png", "inbox/sample-12-blank.png"])]
        [3, None]
    """

    def __init__(
        self, model: str | None = None, *, review_below: float | None = None, max_pixels: int = MAX_PIXELS
    ) -> None:
        self._reader = reader.Reader(model_store.find(model), "litert", review_below, max_pixels)
        self._reader.load()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return what travels: the options of the reader, and not the loaded model."""
        return {"_reader": dataclasses.replace(self._reader)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Load the model where the reader arrives."""
        self._reader = state["_reader"]
        self._reader.load()
        self._lock = threading.Lock()

    def __call__(self, sources: Iterable[Source], *, channels: Literal["BGR", "RGB"] = "BGR") -> list[Result]:
        """Read scans.

        Args:
            sources: The scans.
            channels: The order of the channels of arrays in colour.

        Returns:
            One result for each scan, in the same order. A scan that cannot be read is a result, too.
        """
        model = self._reader.load()
        with self._lock, stderr.silence():  # the decoders print warnings, and the results say the same
            images = _images(sources, channels, self._reader.max_pixels)
            return [Result.of(outcome) for outcome in reader.read_images(images, model)]


@overload
def read(  # type: ignore[overload-overlap]  # one path is no list of paths
    source: Source,
    *,
    model: str | None = None,
    review_below: float | None = None,
    channels: Literal["BGR", "RGB"] = "BGR",
) -> Result: ...


@overload
def read(
    source: Iterable[Source],
    *,
    model: str | None = None,
    review_below: float | None = None,
    channels: Literal["BGR", "RGB"] = "BGR",
) -> list[Result]: ...


def read(
    source: Source | Iterable[Source],
    *,
    model: str | None = None,
    review_below: float | None = None,
    channels: Literal["BGR", "RGB"] = "BGR",
) -> Result | list[Result]:
    """Read one scan, or many.

    Args:
        source: A scan, or several: paths, bytes, open files, arrays.
        model: A name or a folder; None for the default model. digitbox keeps it loaded.
        review_below: The confidence below which a result is `review`, 0 to 1; None for the model's own.
        channels: The order of the channels of arrays in colour.

    Returns:
        A result for one scan; a list of results, in the same order, for several.

    Raises:
        ConfigError: `review_below` is no probability.
        ModelError: The model is missing or damaged.

    Examples:
        >>> import digitbox
        >>> import numpy as np
        >>> digitbox.read(np.full((100, 80), 255, np.uint8)).reason.value
        'blank'
    """
    loaded = _reader_of(model, review_below)
    if isinstance(source, str | PathLike | bytes | np.ndarray) or hasattr(source, "read"):
        (result,) = loaded([cast(Source, source)], channels=channels)
        return result
    return loaded(source, channels=channels)


def run(inputs: Iterable[str | PathLike[str]], outbox: str | PathLike[str], **options: Any) -> RunSummary:
    """Read scans and write a row for each to a CSV in the outbox, as the command `digitbox run` does.

    Args:
        inputs: Files, folders, globs, or addresses of object storage.
        outbox: A folder, or an address of object storage.
        options: Other fields of `batch.config.RunOptions`, e.g. `only_new=True`.

    Returns:
        What the run came to: counts by status and reason, seconds, exit code.

    Raises:
        RunError: The run cannot go on; its message says what to do.

    Examples:
        >>> import digitbox, tempfile
        >>> with tempfile.TemporaryDirectory() as outbox:
        ...     summary = digitbox.run(["inbox"], outbox, workers=1)
        >>> summary.counts["ok"] > 5
        True
    """
    known = {field.name for field in dataclasses.fields(RunOptions)}
    if unknown := sorted(set(options) - known):
        raise ConfigError(f"digitbox.run has no option {unknown[0]}: see digitbox run --help")
    run_options = RunOptions(
        inputs=tuple(str(path) for path in inputs), outbox=parse_outbox(str(outbox)), **options
    )
    stats = job.new_stats(run_options)
    job.run(run_options, job.find(run_options), lambda _: None, stats)
    return stats.summary()


@functools.lru_cache(maxsize=4)
def _reader_of(model: str | None, review_below: float | None) -> Reader:
    return Reader(model, review_below=review_below)


def _images(
    sources: Iterable[Source], channels: str, max_pixels: int
) -> Iterator[tuple[ScanRef, Image | ImageError]]:
    for source in sources:
        if isinstance(source, str | PathLike):
            path = str(Path(source)) if isinstance(source, PathLike) else source
            ((found,),) = decode.read_all([ScanRef(path, path)], max_pixels)
            yield found
        elif isinstance(source, np.ndarray):
            yield ScanRef("", "array"), _image_of(source, channels, max_pixels)
        else:
            content = source if isinstance(source, bytes) else source.read()
            yield ScanRef("", "bytes"), decode.decode_content(content or _EMPTY, max_pixels)


def _image_of(pixels: npt.NDArray[Any], channels: str, max_pixels: int) -> Image | ImageError:
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4)):
        raise ConfigError(
            f"an array of shape {pixels.shape} is no image: give (height, width) or (height, width, 3)"
        )
    if pixels.ndim == 3 and channels == "RGB":
        pixels = pixels[:, :, [2, 1, 0, *range(3, pixels.shape[2])]]
    try:
        return Image(decode.from_pixels(np.ascontiguousarray(pixels), max_pixels), "")
    except ImageError as error:
        return ImageError(error.reason, error.detail)
