"""The pictures of a report: each scan made small, and the model's input for the doubtful ones."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from batch.config import MAX_PIXELS
from batch.errors import ImageError, ModelError
from batch.images import decode
from batch.inference import model_store, models, steps
from batch.inference.look import cut
from batch.inference.models import Model
from batch.inference.number_steps import read_lines
from batch.lengths import ANY
from batch.locations import is_remote
from batch.preprocessing.look import look_input
from batch.preprocessing.resize import shrink
from batch.records import Grey, Reason, ScanRef, Status
from batch.report.rows import Entry
from batch.terminal import stderr

SMALL_PX, LARGE_PX = 64, 224  # longer side of a picture in the list, and in the review
SMALL_QUALITY, LARGE_QUALITY = 60, 90  # of WebP, in percent
MAX_LARGE = 5_000  # large pictures; a page with more of them opens slowly
MAX_OTHERS = 2  # digits offered beside the model's answer

# Codes for a missing picture; `data.js` has the words.
GONE, CHANGED, UNREAD, UNDECODABLE, REMOTE = "gone", "changed", "unread", "undecodable", "remote"


@dataclass(frozen=True, slots=True)
class Picture:
    """A scan as the report shows it.

    Attributes:
        scan: WebP in base 64; empty without a picture.
        views: What the model saw, PNG in base 64: the scan or the digit, and where it looked closer.
        others: The most likely digits beside the prediction, the likelier first.
        problem: The code for a missing picture, or empty.
    """

    scan: str = ""
    views: tuple[str, ...] = ()
    others: tuple[int, ...] = ()
    problem: str = ""


def choose(entries: Sequence[Entry], max_pictures: int) -> list[int]:
    """Choose the entries that get a picture.

    Args:
        entries: Entries, the doubtful ones first.
        max_pictures: Upper limit of pictures.

    Returns:
        Rising indices of the doubtful entries and of an evenly spread sample of the others.
    """
    doubtful = sum(entry.doubtful for entry in entries)
    if len(entries) <= max_pictures:
        return list(range(len(entries)))
    if doubtful >= max_pictures:
        return list(range(max_pictures))
    sample = np.linspace(doubtful, len(entries) - 1, max_pictures - doubtful).astype(int)
    return [*range(doubtful), *dict.fromkeys(sample.tolist())]


def take(entries: Sequence[Entry], indices: Sequence[int], models: Models) -> Iterator[tuple[int, Picture]]:
    """Yield the pictures of chosen entries.

    The first `MAX_LARGE` scans that are not ok get a large picture, and the model's view of them.

    Args:
        entries: The entries of the report.
        indices: Indices of the chosen entries.
        models: Source of the models that read the scans.

    Yields:
        The index of an entry, and its picture.
    """
    large_count = 0
    for index in indices:
        entry = entries[index]
        is_large = entry.row.status is not Status.OK and large_count < MAX_LARGE
        large_count += is_large
        with stderr.silence():  # the row already has what the decoders print here
            yield index, _picture(entry, models if is_large else None)


class Models:
    """The models that read the rows, found by version and loaded on first use.

    Args:
        folder: Model folder to try first.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._loaded: dict[str, Model | None] = {}

    def get(self, version: str) -> Model | None:
        """Return the model of this version, or None if it is not installed."""
        if version not in self._loaded:
            self._loaded[version] = self._load(version)
        return self._loaded[version]

    def _load(self, version: str) -> Model | None:
        installed = sorted(
            path.parent
            for parent in model_store.folders()
            for path in parent.glob(f"*/{model_store.MANIFEST}")
        )
        for folder in installed if self._folder is None else [self._folder, *installed]:
            try:
                manifest = model_store.load_manifest(folder)
                if manifest.version == version:
                    return models.load(folder)
                if manifest.numbers_version == version:
                    return models.load(folder, digits=ANY)
            except ModelError:
                continue  # a report without this model's views is better than no report
        return None


def _picture(entry: Entry, models: Models | None) -> Picture:
    """Make the picture of one entry; a small one without `models`."""
    scan = read_scan(entry)
    if isinstance(scan, str):
        return Picture(problem=scan)
    if models is None:
        return Picture(_to_base64(shrink(scan, SMALL_PX), ".webp", SMALL_QUALITY))
    return Picture(
        _to_base64(shrink(scan, LARGE_PX), ".webp", LARGE_QUALITY), *look_closer(entry, scan, models)
    )


def look_closer(entry: Entry, scan: Grey, models: Models) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the views and the other digits of a `Picture`; both are empty without the model of the row."""
    model = models.get(entry.row.model)
    views, probabilities = ((), ()) if model is None else _read_with_model(scan, model)
    return views, _others(entry.row.probabilities or probabilities, entry.row.prediction)


def read_scan(entry: Entry) -> Grey | str:
    """Return the scan, uint8 (height, width), or the code for a missing picture."""
    return find_scan(entry.paths, entry.row.file, entry.row.sha256, entry.row.page)


def find_scan(paths: Sequence[str], file: str, sha256: str, page: int | None) -> Grey | str:
    """Return a scan, uint8 (height, width), or the code for a missing picture.

    Args:
        paths: Where it may lie.
        file: Its name in the results.
        sha256: The digest of its file, which tells which one is right.
        page: The page; None for a file with one.
    """
    if not sha256:
        return UNREAD
    problem = GONE
    for path in paths:
        if is_remote(path):  # digitbox makes a report without a network
            problem = REMOTE
            continue
        try:
            image = decode.read(ScanRef(path, file), MAX_PIXELS, page or 0)
        except ValueError:  # the path has a zero byte
            continue
        except ImageError as error:
            if error.sha256 == sha256:
                return UNDECODABLE
            if error.reason not in (Reason.VANISHED, Reason.UNREADABLE):
                problem = CHANGED
            continue
        if image.sha256 == sha256:
            return image.grey
        problem = CHANGED
    return problem


def _read_with_model(scan: Grey, model: Model) -> tuple[tuple[str, ...], Sequence[float]]:
    """Return what the model saw, and the probabilities of the ten digits.

    Of looks, that is what each of them saw. Both results are empty for a scan that no network saw.
    """
    if model.numbers is not None:
        (line,) = read_lines([scan], model.numbers)
        return (_to_base64(line.strip, ".png"),), ()
    (examined,) = steps.examine_all([scan], model)
    views: list[Grey] = []
    if examined.digit is not None:
        views = [examined.digit[..., 0]]
    elif examined.sight is not None:
        parts = [scan] if examined.sight.place is None else [scan, cut(scan, examined.sight.place)]
        views = [look_input(part) for part in parts]
    prediction = examined.decision.prediction
    probabilities = () if prediction is None else prediction.probabilities
    return tuple(_to_base64(view, ".png") for view in views), probabilities


def _others(probabilities: Sequence[float], prediction: int | str | None) -> tuple[int, ...]:
    order = sorted(range(len(probabilities)), key=lambda digit: -probabilities[digit])
    return tuple(digit for digit in order if digit != prediction)[:MAX_OTHERS]


def encode(picture: Grey, suffix: str, webp_quality: int | None = None) -> bytes:
    """Return a picture as a file of the format that the suffix names, e.g. `.webp`."""
    settings = [] if webp_quality is None else [cv2.IMWRITE_WEBP_QUALITY, webp_quality]
    _, encoded = cv2.imencode(suffix, picture, settings)
    return bytes(encoded)


def _to_base64(picture: Grey, suffix: str, webp_quality: int | None = None) -> str:
    return base64.b64encode(encode(picture, suffix, webp_quality)).decode()
