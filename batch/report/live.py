"""The rows of an outbox that a page shows while runs add to them and people answer."""

from __future__ import annotations

import heapq
import logging
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batch.clock import utc_now
from batch.errors import InputError
from batch.intervals import wilson_interval
from batch.locations import LABELLED
from batch.outbox.corrections import CorrectionStore
from batch.preprocessing.resize import shrink
from batch.records import Status
from batch.report import answers, page, pictures, rows
from batch.report.answers import MAX_COMMENT, Answer
from batch.report.pictures import Models
from batch.report.rows import Entry, ResultsFolder
from batch.results import names
from batch.results.corrected import Correction, is_label
from batch.results.scan_keys import ScanNames, short_key, shortened, superseded_keys
from batch.terminal import stderr

_log = logging.getLogger(__name__)

SMALL_PX, LARGE_PX = 160, 1600  # longer side of a picture in the list, and in the review with room to zoom
QUALITY = 90  # of WebP, in percent
MAX_ANSWERS = 10_000  # in one request


class WrongAnswersError(ValueError):
    """A request with answers that the page cannot have sent."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What a person found among rows that were ok, chosen at random.

    Attributes:
        size: Number of chosen rows.
        answered: Number of them that have an answer.
        wrong: Number of answers that differ from the model's.
    """

    size: int
    answered: int
    wrong: int

    def __str__(self) -> str:
        """Return the error rate and its interval in words."""
        if not self.size:
            return "no scan was ok, so there was nothing to audit"
        if not self.answered:
            return "no answers yet"
        low, high = wilson_interval(self.wrong, self.answered)
        rate = self.wrong / self.answered
        return f"{self.wrong} of {self.answered} wrong: {rate:.1%} (95% interval {low:.1%} to {high:.1%})"


class LiveRows:
    """The rows of an outbox, read once and then kept up to date.

    Attributes:
        saved: Number of answers that were saved.

    Args:
        outbox: An outbox with results.
        by: Name of the person who answers.
        models: Source of the models that read the scans.
        audit_size: Number of ok rows to audit; 0 for a review.

    Raises:
        InputError: There are no results, or a file cannot be read.
        OutboxError: The outbox cannot be written.
        LedgerError: The ledger or the file of corrections is damaged.
    """

    def __init__(self, outbox: Path, by: str, models: Models, audit_size: int = 0) -> None:
        self.saved = 0
        self._id = secrets.token_hex(8)  # rows and answers count from the beginning of this one
        self._outbox, self._by, self._models = outbox, by, models
        sources = rows.find_sources([outbox])
        found = rows.collect(sources)
        self._read = set(sources)
        self._entries = found.entries  # later ones follow, also those of a scan that digitbox read again
        self._by_key = {entry.key: entry for entry in self._entries}  # the last entry of each scan
        self._replaces: dict[str, str] = {}  # by key of a later entry: another key of its scan
        self._unlisted = found.without_entries()
        self._store = CorrectionStore(outbox)
        self._folder = ResultsFolder(outbox, self._store.current)
        self._log: list[dict[str, str]] = []  # answers since the start, of all processes
        self._is_audit = audit_size > 0
        self._audit = _sample(self._entries, audit_size)
        self._picture_lock = threading.Lock()  # the models, and stderr, take one scan at a time

    def close(self) -> None:
        """Close the files."""
        self._folder.close()
        self._store.close()

    def html(self) -> str:
        """Return the page with all rows as they are now."""
        self.refresh()
        state = {
            "server": self._id,
            "by": self._by,
            "rows": len(self._entries),
            "answers": len(self._log),
        }
        if self._is_audit:
            state["audit"] = list(self._audit)
        current = self._unlisted.without_entries()
        for entry in map(self._corrected, self._by_key.values()):
            current.entries.append(entry)
            current.add_counts(entry)
        return page.html(current, {}, utc_now(), str(self._outbox), live=state)

    def refresh(self) -> None:
        """Read the results that were published since the last call, and the answers of other processes."""
        new = [path for path in names.find(self._outbox) if path not in self._read]
        self._read.update(new)
        for path in self._folder.published(new):
            with suppress(InputError):  # somebody took it away again
                scan_names = self._folder.scan_names()
                for entry in self._folder.read(path, scan_names):
                    self._take(entry, scan_names)
                self._unlisted.sources.append(path)
        self._hear_answers()

    def _hear_answers(self) -> None:
        self._log += map(_described, self._store.refresh())

    def _take(self, entry: Entry, scan_names: ScanNames) -> None:
        """Take one more row, to which earlier ones of its scan give way."""
        row = entry.row
        self._unlisted.read_again += entry.key in self._by_key
        for key in superseded_keys(
            row.file, row.source, row.page, row.sha256, has_old_files=True, scan_names=scan_names
        ):
            self._unlisted.replace_left_out(key)
            if (old := shortened(key)) != entry.key and self._by_key.pop(old, None) is not None:
                self._replaces[entry.key] = old
                self._unlisted.read_again += 1
        self._entries.append(entry)
        self._by_key[entry.key] = entry

    def changes(self, row_count: int, answer_count: int) -> dict[str, Any]:
        """Return what a window does not know yet.

        Args:
            row_count: Number of rows that it knows.
            answer_count: Number of answers since the start that it knows.
        """
        self.refresh()
        entries = self._entries[row_count:]
        found: dict[str, Any] = {"server": self._id, "rows": len(self._entries), "answers": len(self._log)}
        if entries:
            replaces = {
                index: self._replaces[entry.key]
                for index, entry in enumerate(entries)
                if entry.key in self._replaces
            }
            columns = page.columns([self._corrected(entry) for entry in entries])
            found["columns"] = {**columns, "replaces": replaces}
            found["models"] = page.models(entries)
            found["sources"] = [path.name for path in self._unlisted.sources]
            found["unlisted"] = page.counts(self._unlisted)
        if self._log[answer_count:]:
            found["answered"] = self._log[answer_count:]
        if self._is_audit:
            audit = self.audit()
            found["audit"] = {"answered": audit.answered, "size": audit.size, "words": str(audit)}
        return found

    def save(self, content: object) -> tuple[list[tuple[Entry, str]], list[str]]:
        """Save answers that a page sent; they are on the disk when this returns.

        A page that could not reach the server may send an answer that is older than that of another window.
        The later one counts then, and the page hears of it as of any other.

        Args:
            content: A list of objects with `key`, `corrected`, `comment` and `reviewed_at`.

        Returns:
            The rows with their labels, to copy as labelled scans, and the keys of the refused answers.

        Raises:
            WrongAnswersError: A page cannot have sent this.
            OutboxError: The disk is full, or another process holds the file for long.
        """
        items = [_checked_texts(item) for item in _checked_list(content)]
        self._hear_answers()
        new, refused = [], []
        for item in items:
            answer = self._parse(item)
            if answer is None:
                refused.append(item["key"])
            else:
                new.append(answer)
        new = answers.without_outdated(new, self._store.current)
        self.saved += len(answers.save(self._store, new, self._by))
        self._hear_answers()
        return [(answer.entry, answer.label) for answer in new], refused

    def copy_labelled(self, labelled: Iterable[tuple[Entry, str]]) -> None:
        """Copy scans to the folder of their label; a full disk is no reason to refuse answers."""
        try:
            answers.copy_labelled(labelled, self._outbox)
        except OSError as error:
            _log.warning(f"cannot copy scans to {self._outbox / LABELLED}: {error.strerror}; make room")

    def labelled(self) -> list[tuple[Entry, str]]:
        """Return all rows that somebody answered or left open, with their labels."""
        corrected = map(self._corrected, self._entries)
        return [(entry, entry.correction.corrected) for entry in corrected if entry.correction is not None]

    def picture(self, key: str, *, large: bool) -> bytes | None:
        """Return the picture of a scan as WebP; None if there is none."""
        entry = self._by_key.get(key)
        if entry is None:
            return None
        with self._picture_lock, stderr.silence():
            scan = pictures.read_scan(entry)
            if isinstance(scan, str):
                return None
            shrunk = shrink(scan, LARGE_PX if large else SMALL_PX)
            return pictures.encode(shrunk, ".webp", QUALITY)

    def details(self, key: str) -> dict[str, Any] | None:
        """Return what the review shows beside a scan: views, other digits, and why there is no picture."""
        entry = self._by_key.get(key)
        if entry is None:
            return None
        with self._picture_lock, stderr.silence():
            scan = pictures.read_scan(entry)
            if isinstance(scan, str):
                return {"problem": scan}
            views, others = pictures.look_closer(entry, scan, self._models)
            return {"views": views, "others": others}

    def audit(self) -> Audit:
        """Return what the audit has found so far."""
        chosen = [key for key in self._audit if key in self._by_key]
        labels = {key: self._corrected(self._by_key[key]).answer for key in chosen}
        wrong = [
            key for key, label in labels.items() if label and label != str(self._by_key[key].row.prediction)
        ]
        return Audit(len(labels), sum(map(bool, labels.values())), len(wrong))

    def _corrected(self, entry: Entry) -> Entry:
        return replace(entry, correction=self._store.current.of_row(entry.row))

    def _parse(self, item: Mapping[str, str]) -> Answer | None:
        """Return an answer; None if there is no such scan, or nobody may say this of it."""
        entry = self._by_key.get(item["key"])
        if entry is None or not entry.row.sha256:
            return None
        if not is_label(item["corrected"], with_numbers=self._store.current.takes_number(entry.row)):
            return None
        comment = " ".join(item["comment"].split())[:MAX_COMMENT]
        return Answer(entry, item["corrected"], item["reviewed_at"], comment)


def _checked_list(content: object) -> list[object]:
    if not isinstance(content, list) or len(content) > MAX_ANSWERS:
        raise WrongAnswersError(f"answers are a list of at most {MAX_ANSWERS}")
    return content


def _checked_texts(item: object) -> dict[str, str]:
    if not isinstance(item, Mapping):
        raise WrongAnswersError("an answer is an object")
    values = {name: item.get(name, "") for name in ("key", "corrected", "comment", "reviewed_at")}
    if not all(isinstance(value, str) for value in values.values()):
        raise WrongAnswersError("the values of an answer are texts")
    return values


def _sample(entries: Sequence[Entry], size: int) -> tuple[str, ...]:
    """Return the keys of ok rows, chosen at random: a key is a digest, so the lowest are a random choice.

    Of the same rows it chooses the same ones, so that an audit goes on after a pause.
    """
    keys = (entry.key for entry in entries if entry.row.status is Status.OK and entry.row.sha256)
    return tuple(heapq.nsmallest(size, keys))


def _described(correction: Correction) -> dict[str, str]:
    key = short_key(correction.file, correction.source, correction.page, correction.sha256)
    return {"key": key, **page.answer(correction)}
