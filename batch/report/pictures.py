"""The pictures of a report: scans made small, and for the doubtful what the model saw of them."""

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
from batch.inference import classifier, model_store, steps
from batch.inference.classifier import Classifier
from batch.inference.decision import Thresholds
from batch.locations import is_remote
from batch.preprocessing.views import pictures
from batch.records import Grey, Reason, ScanRef, Status
from batch.report.rows import Entry
from batch.terminal import stderr

SMALL_PX = 64  # longer side
LARGE_PX = 224
SMALL_QUALITY, LARGE_QUALITY = 60, 90
MAX_LARGE = 5_000  # a page of more megabytes opens slowly
TOP = 3

# Why there is no picture; `data.js` has the words.
GONE, CHANGED, UNREAD, UNDECODABLE, REMOTE = "gone", "changed", "unread", "undecodable", "remote"


_Top = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """What a report shows of a scan.

    Attributes:
        scan: WebP, in base 64; empty where there is none.
        views: what the model saw, PNG in base 64.
        top: the likeliest digits with their shares of the ten.
        problem: why there is no picture, or empty.
    """

    scan: str = ""
    views: tuple[str, ...] = ()
    top: _Top = ()
    problem: str = ""


def choose(entries: Sequence[Entry], most: int) -> list[int]:
    """Which entries get a picture.

    Args:
        entries: the doubtful first.
        most: pictures.

    Returns:
        Places in `entries`, rising: the doubtful, and a sample, evenly spread, of the others.
    """
    doubtful = sum(entry.doubtful for entry in entries)
    if len(entries) <= most:
        return list(range(len(entries)))
    if doubtful >= most:
        return list(range(most))
    others = np.linspace(doubtful, len(entries) - 1, most - doubtful).astype(int)
    return [*range(doubtful), *dict.fromkeys(others.tolist())]


def take(entries: Sequence[Entry], places: Sequence[int], models: Models) -> Iterator[tuple[int, Picture]]:
    """Yields the pictures of some entries; of the first doubtful ones larger, with what the model saw."""
    large = 0
    for place in places:
        entry = entries[place]
        wants_large = entry.row.status is not Status.OK and large < MAX_LARGE
        large += wants_large
        with stderr.silence():  # what decoders say, the row says already
            yield place, _picture(entry, models if wants_large else None)


class Models:
    """The models that rows were read with, found by their version and loaded when they are wanted.

    Args:
        given: folder of a model to look at, too.
    """

    def __init__(self, given: Path | None = None) -> None:
        self._given = given
        self._loaded: dict[str, tuple[Classifier, Thresholds] | None] = {}

    def get(self, version: str) -> tuple[Classifier, Thresholds] | None:
        """The model of this version, or None where there is none."""
        if version not in self._loaded:
            self._loaded[version] = self._load(version)
        return self._loaded[version]

    def _load(self, version: str) -> tuple[Classifier, Thresholds] | None:
        folders = [
            path.parent for place in model_store.folders() for path in place.glob(f"*/{model_store.MANIFEST}")
        ]
        for folder in [self._given, *sorted(folders)]:
            if folder is None:
                continue
            try:
                manifest = model_store.load_manifest(folder)
                if manifest.version == version:
                    return classifier.load(folder, manifest), Thresholds.of(manifest)
            except ModelError:
                continue  # a damaged model is no reason to have no report
        return None


def _picture(entry: Entry, models: Models | None) -> Picture:
    found = _read(entry)
    if isinstance(found, str):
        return Picture(problem=found)
    if models is None:
        return Picture(_encoded(_at_most(found, SMALL_PX), ".webp", SMALL_QUALITY))
    scan = _encoded(_at_most(found, LARGE_PX), ".webp", LARGE_QUALITY)
    top = _top(entry.row.probabilities)
    model = models.get(entry.row.model)
    if model is None:
        return Picture(scan, top=top)
    views, recomputed = _seen(found, *model)
    return Picture(scan, views, top or recomputed)


def _read(entry: Entry) -> Grey | str:
    """The scan, or why there is none."""
    if not entry.row.sha256:
        return UNREAD
    problem = GONE
    for place in entry.places:
        if is_remote(place):  # a page is made without a network
            problem = REMOTE
            continue
        try:
            image = decode.read(ScanRef(place, entry.row.file), MAX_PIXELS)
        except (ImageError, ValueError) as error:  # a name with a zero byte
            if isinstance(error, ImageError) and error.sha256 == entry.row.sha256:
                return UNDECODABLE
            if not isinstance(error, ImageError) or error.reason in (Reason.VANISHED, Reason.UNREADABLE):
                continue
            problem = CHANGED
            continue
        if image.sha256 == entry.row.sha256:
            return image.grey
        problem = CHANGED
    return problem


def _seen(scan: Grey, model: Classifier, thresholds: Thresholds) -> tuple[tuple[str, ...], _Top]:
    """What the model saw, and the likeliest digits; nothing where the gate kept the scan from it."""
    prepared = steps.prepare(scan, model.manifest.preprocess)
    (decision,) = steps.decide_all([prepared], model, thresholds)
    if prepared.digit is None or decision is None:
        return (), ()
    views = pictures(prepared.digit, model.manifest.preprocess)
    return tuple(_encoded(view, ".png") for view in views.values()), _top(decision.prediction.probabilities)


def _top(shares: Sequence[float]) -> _Top:
    order = sorted(range(len(shares)), key=lambda digit: -shares[digit])
    return tuple((digit, round(shares[digit], 4)) for digit in order[:TOP])


def _at_most(scan: Grey, longer_px: int) -> Grey:
    scale = longer_px / max(scan.shape)
    if scale >= 1:
        return scan
    size = max(1, round(scan.shape[1] * scale)), max(1, round(scan.shape[0] * scale))
    return np.asarray(cv2.resize(scan, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(picture: Grey, suffix: str, quality_percent: int | None = None) -> str:
    settings = [] if quality_percent is None else [cv2.IMWRITE_WEBP_QUALITY, quality_percent]
    _, data = cv2.imencode(suffix, picture, settings)
    return base64.b64encode(bytes(data)).decode()
