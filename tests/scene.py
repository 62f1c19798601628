"""A watcher in this process, for which time goes by as fast as it can be told, and a reader of its outbox."""

from __future__ import annotations

import csv
import errno
import hashlib
import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from batch.config import NotifyOptions, WatchOptions
from batch.engines.local import Engine
from batch.engines.workers import ScanReader
from batch.locations import DONE, FAILED, LEDGER_FILE, STATE
from batch.monitoring.news import News, State
from batch.outbox.ledger import open_ledger
from batch.records import Beat, Outcome, ScanRef
from batch.run import job
from batch.text import text_cell
from batch.watcher.loop import Watcher
from batch.watcher.signals import StopSignal
from fakes import Reading

Action = Callable[[], Iterable[Path] | None]
"""Does something; returns paths for which there are events."""


class Ticking:
    """A clock, and the events of an inbox: time goes by when somebody waits, and things happen then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.is_deaf = False
        self.cannot_start = ""
        self.starts = 0
        self.open: dict[str, bool] = {}
        self._is_started = False
        self._script: list[tuple[float, Action]] = []

    def at(self, time_s: float, action: Action) -> None:
        """Has something happen at that time."""
        self._script = sorted([*self._script, (time_s, action)], key=lambda entry: entry[0])

    def start(self) -> None:
        if self.cannot_start:
            raise OSError(self.cannot_start)
        self.starts += 1
        self._is_started = True

    def stop(self) -> None:
        self._is_started = False

    def are_alive(self) -> bool:
        return self._is_started and not self.is_deaf

    def were_lost(self) -> bool:
        return False

    def is_open(self, path: str) -> bool | None:
        """Return what the test says of a path."""
        return self.open.get(path)

    def wait(self, seconds: float) -> dict[str, float]:
        """Let time go by until something happens; what was to happen while a batch was read happens now."""
        until = self.now + max(seconds, 0.001)
        if not self._script or self._script[0][0] > until:
            self.now = until
            return {}
        at_s, action = self._script.pop(0)
        self.now = max(self.now, at_s)
        paths = action() or ()
        return {} if self.is_deaf else {str(path): at_s for path in paths}


class StopAt(StopSignal):
    """Asks to stop when it is time, too."""

    def __init__(self, ticking: Ticking, at_s: float) -> None:
        super().__init__()
        self._ticking, self._at_s = ticking, at_s

    def is_asked(self) -> bool:
        return super().is_asked() or self._ticking.now >= self._at_s


class Listener(logging.Handler):
    """Keeps what the watcher logs."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((getattr(record, "event", ""), record.getMessage()))

    def of(self, event: str) -> list[str]:
        """Return the texts of an event."""
        return [text for name, text in self.events if name == event]


class Scene:
    """An inbox, an outbox, and somebody who takes each file of results away at once."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inbox, self.outbox = folder, folder / "inbox", folder / "outbox"
        for made in (self.inbox, self.outbox, folder / "taken"):
            made.mkdir(parents=True, exist_ok=True)
        self.ticking, self.log = Ticking(), Listener()
        self.dropped: Counter[tuple[str, str]] = Counter()
        self.notifications = NotifyOptions()
        self.latencies: list[float] = []

    def drop(self, name: str, content: bytes) -> list[Path]:
        """Copies a scan into the inbox, and notes it."""
        path = self.inbox / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.note(name, content)
        return [path]

    def note(self, name: str, content: bytes) -> None:
        """Notes a scan that was dropped."""
        self.dropped[name, hashlib.sha256(content).hexdigest()] += 1

    def watch(
        self,
        until_s: float,
        read: Callable[[ScanReader], ScanReader] = lambda reader: reader,
        *,
        goes_on: bool = False,
        state: State | None = None,
        **options: Any,
    ) -> None:
        """Watches until that time.

        Args:
            until_s: when it is told to stop.
            read: wraps the reader of scans.
            goes_on: whether it has watched before a signal had it begin anew.
            state: the state that the watcher sets; None for a new one.
            options: of the watcher.
        """
        stop = StopAt(self.ticking, until_s)
        with stop.listen(), self._listening():
            settings = WatchOptions(**{"inbox": self.inbox, "outbox": self.outbox, **options})
            reader, manifest = job.new_reader(settings)
            stats = job.new_stats(settings)
            news = News(
                stats,
                state or State(),
                self.notifications,
                self.outbox,
                lambda _: self.take(),
                self.latencies.append,
                lambda: self.ticking.now,
            )
            watcher = Watcher(
                settings,
                Engine(read(reader), 0),
                self.ticking,  # type: ignore[arg-type]
                news,
                stop,
                lambda: self.ticking.now,
            )
            with news, closing(watcher):
                watcher.run(lambda: job.new_outbox(settings, manifest, stats), goes_on=goes_on)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        logger = logging.getLogger("batch")
        level = logger.level
        logger.addHandler(self.log)
        logger.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            logger.removeHandler(self.log)
            logger.setLevel(level)

    def take(self) -> None:
        """Takes the files of results."""
        for path in self.outbox.glob("*.csv"):
            assert not (self.folder / "taken" / path.name).exists(), "published twice"
            shutil.move(path, self.folder / "taken" / path.name)

    @property
    def results(self) -> list[list[dict[str, str]]]:
        """Rows of each file of results, in the order of the ledger: two may come at one tick of the clock."""
        self.take()
        taken = {path.name: path for path in (self.folder / "taken").iterdir()}
        if not taken:
            return []
        with open_ledger(self.outbox, read_only=True) as ledger:
            names = [name for (name,) in ledger.execute("SELECT file FROM batches ORDER BY rowid")]
        paths = [taken[name] for name in names if name in taken]
        assert len(paths) == len(taken)
        return [list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) for path in paths]

    @property
    def rows(self) -> list[dict[str, str]]:
        """All rows."""
        return [row for rows in self.results for row in rows]

    def check(self) -> None:
        """Checks that each scan that was dropped has one row, and is in done/ or failed/."""
        wanted = Counter({(text_cell(name), sha): count for (name, sha), count in self.dropped.items()})
        first_pages = (row for row in self.rows if row["page"] in ("", "1"))
        assert Counter((row["file"], row["sha256"]) for row in first_pages) == wanted
        retired = Counter(path for kind in (DONE, FAILED) for path in digests(self.outbox / kind))
        assert retired == Counter(sha for _, sha in self.dropped.elements())
        assert not list((self.outbox / ".digitbox" / "staging").iterdir())


def digests(folder: Path) -> Iterator[str]:
    """SHA-256 of the scans in a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".json":
            yield hashlib.sha256(path.read_bytes()).hexdigest()


def first(does: Callable[[Sequence[ScanRef]], None]) -> Callable[[ScanReader], ScanReader]:
    """A reader before whose first work something happens."""

    def wrap(reader: ScanReader) -> ScanReader:
        todo = [does]

        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            if refs and todo:
                todo.pop()(refs)
            return reader(refs, beat)

        return Reading(read)

    return wrap


def after_reading(does: Callable[[], None]) -> Callable[[ScanReader], ScanReader]:
    """A reader after whose first work something happens."""

    def wrap(reader: ScanReader) -> ScanReader:
        todo = [does]

        def read(refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
            outcomes = reader(refs, beat)
            if refs and todo:
                todo.pop()()
            return outcomes

        return Reading(read)

    return wrap


def says(scene: Scene) -> tuple[str, str]:
    """Return what the ledger says of the watcher: its state, and why."""
    with closing(sqlite3.connect(scene.outbox / STATE / LEDGER_FILE)) as ledger:
        ((state, detail),) = ledger.execute("SELECT state, detail FROM watcher")
    return state, detail


def full(
    scene: Scene, call: Callable[..., Any], until_s: float, concerns: Callable[..., bool]
) -> Callable[..., Any]:
    """Make a call that finds no room on the disk until it is time, if it concerns certain arguments."""

    def calling(*arguments: Any, **settings: Any) -> Any:
        if scene.ticking.now < until_s and concerns(*arguments):
            raise OSError(errno.ENOSPC, "No space left on device")
        return call(*arguments, **settings)

    return calling


def is_staged(path: Any, *_: Any) -> bool:
    """Return whether a path is that of a file of results in the making."""
    return "predictions-" in str(path)
