"""The functions that read scans for Python programs: `read`, and a `Reader` that keeps its model."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from os import PathLike
from typing import Any, cast, overload

from batch import opencv
from batch.api import sources
from batch.api.arguments import checked
from batch.api.results import PICTURE_PX, Result, Results
from batch.api.sources import Channels, Opened, Source
from batch.config import MAX_PIXELS
from batch.errors import ImageError
from batch.images.decode import CHUNK_BYTES
from batch.inference import model_store, reader
from batch.locations import absolute
from batch.preprocessing.resize import shrink
from batch.records import Image, ScanRef
from batch.terminal import stderr

BATCH_SIZE = 64  # scans that digitbox reads together; more are hardly faster
MAX_READERS = 16  # that `read` keeps, one for each set of options; each takes 4 to 12 MiB

opencv.stop_at_forks()
# The readers of a process take turns. A fork waits for the end of a turn, so that none is at work then.
_turn = threading.RLock()
os.register_at_fork(before=_turn.acquire, after_in_parent=_turn.release, after_in_child=_turn.release)


class Reader:
    """A model that stays loaded.

    All threads of a process may use a reader; they take turns. A forked process may go on with it. A reader
    can be pickled and brings its model along, e.g. to a process that `multiprocessing` spawns, to Ray or to
    Spark.

    Args:
        model: A name or a folder; None for the default model.
        review_below: The confidence below which a result is `review`, 0 to 1; None for the model's own.
        max_pixels: An image with more pixels fails as `too_large`.
        digits: How many digits a scan holds: a number; a range, e.g. "2-6"; or "any".

    Raises:
        ConfigError: `review_below` is no probability, or `digits` is not what it should be.
        ModelError: The model is missing or damaged.

    Examples:
        >>> import digitbox
        >>> reader = digitbox.Reader()
        >>> [result.prediction for result in reader(["inbox/sample-01-pen.png", "inbox/sample-12-blank.png"])]
        [3, None]
    """

    def __init__(
        self,
        model: str | PathLike[str] | None = None,
        *,
        review_below: float | None = None,
        max_pixels: int = MAX_PIXELS,
        digits: int | str = 1,
    ) -> None:
        folder = model_store.find(checked("model", model))
        self._reader = reader.Reader(
            folder,
            "litert",
            checked("review_below", review_below),
            checked("max_pixels", max_pixels),
            checked("digits", digits),
        )
        with _turn:
            self._reader.load()

    @overload
    def __call__(  # type: ignore[overload-overlap]  # one path is no list of paths
        self, source: Source, *, channels: Channels | None = None, batch_size: int = BATCH_SIZE
    ) -> Result: ...

    @overload
    def __call__(  # type: ignore[overload-overlap]  # an iterator is also an iterable
        self, source: Iterator[Source], *, channels: Channels | None = None, batch_size: int = BATCH_SIZE
    ) -> Iterator[Result]: ...

    @overload
    def __call__(
        self, source: Iterable[Source], *, channels: Channels | None = None, batch_size: int = BATCH_SIZE
    ) -> Results: ...

    def __call__(
        self,
        source: Source | Iterable[Source],
        *,
        channels: Channels | None = None,
        batch_size: int = BATCH_SIZE,
    ) -> Result | Iterator[Result] | Results:
        """Read one scan, or many; see `read`.

        Args:
            source: A scan, several, or an iterator of scans.
            channels: The order of the channels of arrays in colour.
            batch_size: Scans that digitbox reads together.

        Returns:
            A result for one scan, a list of results for several, an iterator of results for an iterator.

        Raises:
            ConfigError: Something is no scan, or an array in colour comes without `channels`. Or an address
                is of another kind than digitbox reads, or has credentials in it.
        """
        batch_size = checked("batch_size", batch_size)
        if sources.is_one(source):
            (result,) = self._read([self._open(cast(Source, source), channels)])
            return result
        if not isinstance(source, Iterable) or sources.advice_on_names(source):
            self._open(cast(Source, source), channels)  # raises
        results = self._read_many(iter(cast(Iterable[Source], source)), channels, batch_size)
        return results if isinstance(source, Iterator) else Results(results)

    def _open(self, source: Source, channels: Channels | None) -> Opened:
        max_pixels = self._reader.max_pixels
        opened = sources.open_source(source, channels, max_pixels)
        if isinstance(opened, ScanRef | bytes | Image | ImageError):
            return opened
        with _turn:
            return sources.take(opened, channels, max_pixels)

    def _read_many(
        self, items: Iterator[Source], channels: Channels | None, batch_size: int
    ) -> Iterator[Result]:
        """Yield a result for each scan. No turn is taken while the caller's iterator runs."""
        for batch in self._batches(items, channels, batch_size):
            yield from self._read(batch)

    def _batches(
        self, items: Iterator[Source], channels: Channels | None, batch_size: int
    ) -> Iterator[list[Opened]]:
        """Yield the scans that digitbox reads together; before an error, those that came before it."""
        batch: list[Opened] = []
        size_bytes = 0
        try:
            for item in items:
                batch.append(self._open(item, channels))
                size_bytes += sources.size_bytes(batch[-1])
                if len(batch) >= batch_size or size_bytes >= CHUNK_BYTES:
                    yield batch
                    batch, size_bytes = [], 0
        except Exception:
            yield batch
            raise
        yield batch

    def _read(self, batch: list[Opened]) -> list[Result]:
        greys: list[Any] = []  # of scans that are no files, for their pictures

        def decoded() -> Iterator[tuple[ScanRef, Image | ImageError]]:
            for opened in batch:
                image = sources.decode_opened(opened, self._reader.max_pixels)
                is_file = isinstance(opened, ScanRef)
                greys.append(
                    None if is_file or isinstance(image, ImageError) else shrink(image.grey, PICTURE_PX)
                )
                yield opened if isinstance(opened, ScanRef) else ScanRef("", ""), image

        with _turn:
            model = self._reader.load()
            is_decoded = all(isinstance(opened, Image | ImageError) for opened in batch)
            # The decoders print warnings, and the results say the same.
            with nullcontext() if is_decoded else stderr.silence():
                outcomes = reader.read_images(decoded(), model)
        return [Result.of(outcome, grey) for outcome, grey in zip(outcomes, greys, strict=True)]


@overload
def read(  # type: ignore[overload-overlap]  # one path is no list of paths
    source: Source,
    *,
    model: str | PathLike[str] | None = None,
    review_below: float | None = None,
    digits: int | str = 1,
    channels: Channels | None = None,
    batch_size: int = BATCH_SIZE,
) -> Result: ...


@overload
def read(  # type: ignore[overload-overlap]  # an iterator is also an iterable
    source: Iterator[Source],
    *,
    model: str | PathLike[str] | None = None,
    review_below: float | None = None,
    digits: int | str = 1,
    channels: Channels | None = None,
    batch_size: int = BATCH_SIZE,
) -> Iterator[Result]: ...


@overload
def read(
    source: Iterable[Source],
    *,
    model: str | PathLike[str] | None = None,
    review_below: float | None = None,
    digits: int | str = 1,
    channels: Channels | None = None,
    batch_size: int = BATCH_SIZE,
) -> Results: ...


def read(
    source: Source | Iterable[Source],
    *,
    model: str | PathLike[str] | None = None,
    review_below: float | None = None,
    digits: int | str = 1,
    channels: Channels | None = None,
    batch_size: int = BATCH_SIZE,
) -> Result | Iterator[Result] | Results:
    """Read one scan, or many.

    A scan is a path, the bytes of a file, an open binary file, an array of pixels (see `Source`), or an image
    of Pillow. A scan that cannot be read is a result, too.

    Args:
        source: A scan, several, or an iterator of scans. digitbox takes up to `batch_size` scans from an
            iterator before it gives the first result. If the iterator raises, the results of the scans before
            come first.
        model: A name or a folder; None for the default model. digitbox keeps it loaded, also for several sets
            of options in turn. For more than 16, keep a `Reader` for each.
        review_below: The confidence below which a result is `review`, 0 to 1; None for the model's own.
        digits: How many digits a scan holds: a number; a range, e.g. "2-6"; or "any".
        channels: The order of the channels of arrays in colour, `BGR` or `RGB`. Only these need it.
        batch_size: Scans that digitbox reads together.

    Returns:
        A result for one scan, a list of results for several, an iterator of results for an iterator. They
        have the order of the scans.

    Raises:
        ConfigError: Something is no scan, or an array in colour comes without `channels`. Or an address is of
            another kind than digitbox reads, or has credentials in it. Or `review_below` is no probability,
            or `digits` is not what it should be.
        ModelError: The model is missing or damaged.

    Examples:
        >>> import digitbox
        >>> import numpy as np
        >>> digitbox.read(np.full((100, 80), 255, np.uint8)).reason.value
        'blank'
        >>> from pathlib import Path
        >>> for result in digitbox.read(iter(sorted(Path("inbox").glob("sample-0[1-3]*")))):
        ...     print(result.file, result.prediction)
        inbox/sample-01-pen.png 3
        inbox/sample-02-box.jpg 5
        inbox/sample-03-pencil.png 8
    """
    folder = model_store.find(checked("model", model))
    review_below = checked("review_below", review_below)
    checked("digits", digits)
    try:
        manifest = os.stat(folder / model_store.MANIFEST)
        version = manifest.st_ino, manifest.st_mtime_ns
    except OSError:
        version = 0, 0  # the reader says what is wrong
    loaded = _reader_of(absolute(folder), version, review_below, str(digits))
    return loaded(cast(Any, source), channels=channels, batch_size=batch_size)


@functools.lru_cache(MAX_READERS)
def _reader_of(folder: str, _: tuple[int, int], review_below: float | None, digits: str) -> Reader:
    """Return a reader; a model that was trained anew in the same folder is another one."""
    return Reader(folder, review_below=review_below, digits=digits)
