"""Stand-ins for the trained model and the reader, for the fast tests."""

from __future__ import annotations

import os
import re
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from batch.errors import ModelError
from batch.inference import model_store
from batch.inference.reader import MAX_PAGES_AT_ONCE
from batch.records import SPECS, Beat, Input, Manifest, Outcome, Reason, ScanRef, Status
from batch.training import model_writer
from hanging import hang, stop

MANIFEST = Manifest(
    name="fake",
    version="fake-1",
    network="fake",
    classes=10,
    output="softmax",
    preprocess=SPECS[Input.DIGIT],
    temperature=1.0,
    review_below=0.5,
    files={},
)


@dataclass
class FakeClassifier:
    """A model that reads narrow ink as a 1, and any other ink as a 0."""

    manifest: Manifest = field(default=MANIFEST)

    def __call__(self, digits: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        logits = np.zeros((len(digits), 10), np.float32)
        columns = (digits[..., 0].max(axis=1) > 80).sum(axis=1)
        logits[np.arange(len(digits)), np.where(columns < 8, 1, 0)] = 8
        return logits


def save_fake_model(models: Path) -> Path:
    """Save a model folder that passes every check, though no runtime can load it."""
    return model_writer.save(
        models, MANIFEST, {model_store.TFLITE_FILE: b"fake", model_store.KERAS_FILE: b"fake"}
    )


class OnePage(ABC):
    """A reader whose scans have one page each; its classes say what it does with them."""

    @abstractmethod
    def __call__(self, refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]: ...

    def pages(
        self, ref: ScanRef, first: int = 1, *, one_by_one: bool = False, beat: Beat = lambda: None
    ) -> Iterator[list[Outcome]]:
        yield self([ref], beat)


@dataclass
class Reading(OnePage):
    """A reader that is a function."""

    function: Callable[[Sequence[ScanRef], Beat], list[Outcome]]

    def __call__(self, refs: Sequence[ScanRef], beat: Beat = lambda: None) -> list[Outcome]:
        return self.function(refs, beat)


class OwnProcess(OnePage):
    """A reader that says which process it was in."""

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        return [Outcome(ref, Status.OK, sha256=str(os.getpid())) for ref in refs]


@dataclass
class FakeReader:
    """A reader that answers 7 for every scan, and misbehaves where the name of a scan says so.

    A scan named `70-pages` has 70 pages. One named `5-pages-crash-at-3` misbehaves at its third page.
    """

    def __call__(self, refs: Sequence[ScanRef], beat: Beat = lambda: None) -> list[Outcome]:
        outcomes = []
        for ref in refs:
            beat()
            count, _, _ = _pages(ref)
            if count > MAX_PAGES_AT_ONCE:
                outcomes.append(_announcement(ref, count))
                continue
            misbehave(ref.name)
            for page in range(1, count + 1) if count > 1 else (0,):
                outcomes.append(_seven(ref, page, count))
        return outcomes

    def pages(
        self, ref: ScanRef, first: int = 1, *, one_by_one: bool = False, beat: Beat = lambda: None
    ) -> Iterator[list[Outcome]]:
        count, _, _ = _pages(ref)
        if count == 1:
            yield self([ref], beat)
            return
        yield [_announcement(ref, count)]
        waiting: list[Outcome] = []
        for page in range(first, count + 1):
            beat()
            waiting.append(_seven(ref, page, count))
            if one_by_one or len(waiting) == PAGES_AT_A_TIME:
                yield waiting
                waiting = []
        if waiting:
            yield waiting


PAGES_AT_A_TIME = 10  # that the reader sends


def misbehave(name: str) -> None:
    """Do what the name of a scan says."""
    if name == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "hang":
        hang()
    if name == "stop":
        stop()
    if name == "bug":
        raise IndexError("a bug")
    if name == "memory":
        raise MemoryError
    if name == "model":
        raise ModelError("the model is gone")


def _pages(ref: ScanRef) -> tuple[int, str, int]:
    """Return the number of pages of a scan, what it does, and at which page."""
    found = re.search(r"(\d+)-pages(?:-(\w+)-at-(\d+))?", ref.name)
    return (int(found[1]), found[2] or "", int(found[3] or 0)) if found else (1, "", 0)


def _announcement(ref: ScanRef, count: int) -> Outcome:
    return Outcome(ref, Status.REFUSED, Reason.SEVERAL_PAGES, "0" * 64, pages=count)


def _seven(ref: ScanRef, page: int, count: int) -> Outcome:
    _, deed, place = _pages(ref)
    if page and page == place:
        misbehave(deed)
    return Outcome(ref, Status.OK, sha256="0" * 64, label=7, confidence=0.99, page=page, pages=count)
