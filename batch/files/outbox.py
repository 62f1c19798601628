"""The outbox: one writer at a time, files staged out of sight and published whole."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from batch.errors import BusyError, OutboxError
from batch.files import tables
from batch.records import Outcome

STATE = ".digitbox"
_NO_HARD_LINKS = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
)


def _now() -> datetime:
    return datetime.now(UTC)


class Outbox:
    """Writes outcomes as files of results; to be used with `with`, which holds the outbox's lock.

    Every file is staged in `.digitbox/staging`, synced, and published by a hard link, which overwrites
    nothing: a reader never sees half a file. Leaving the block by an exception drops what is staged.

    Args:
        folder: the outbox; made if need be.
        format_name: `csv` or `parquet`.
        rows_per_file: most rows of a file; each file is a batch of its own.
        model: version of the model, for the column.
        with_probabilities: whether there are columns p0 to p9.
        now: the clock, UTC.
    """

    def __init__(
        self,
        folder: Path,
        *,
        format_name: str,
        rows_per_file: int,
        model: str,
        with_probabilities: bool,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.published: list[Path] = []
        self._folder, self._staging = folder, folder / STATE / "staging"
        self._format, self._rows_per_file = format_name, rows_per_file
        self._model, self._with_probabilities, self._now = model, with_probabilities, now
        self._lock: int | None = None
        self._table: tables.Table | None = None
        self._path = self._staging

    def __enter__(self) -> Self:
        """Takes the lock.

        Raises:
            BusyError: another process writes to this outbox.
            OutboxError: it cannot be written.
        """
        with self._reporting():
            self._staging.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(self._lock)
                raise BusyError(
                    f"another digitbox is writing to {self._folder}: wait for it, or give another --outbox"
                ) from error
            try:
                for left_over in self._staging.iterdir():  # of a run that was killed
                    left_over.unlink()
                probe = self._staging / "probe"
                probe.touch()
                probe.unlink()
            except OSError:
                os.close(self._lock)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publishes what is staged, or drops it when an exception passes; gives the lock back."""
        try:
            if self._table is not None:
                if kind is None:
                    self._publish()
                else:
                    self._drop()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def add(self, outcome: Outcome) -> None:
        """Writes one row, and publishes the file when it is full.

        Raises:
            OutboxError: the disk is full, or the outbox is gone.
        """
        with self._reporting():
            if self._table is None:
                self._table = self._start()
            self._table.add(outcome, self._now())
        if self._table.rows >= self._rows_per_file:
            self._publish()

    def _start(self) -> tables.Table:
        batch = secrets.token_hex(4)
        name = f"predictions-{self._now():%Y%m%dT%H%M%SZ}-{batch}.{self._format}"
        self._path = self._staging / name
        return tables.new_table(self._path, self._format, batch, self._model, self._with_probabilities)

    def _publish(self) -> None:
        assert self._table is not None
        with self._reporting():
            self._table.close()
            _sync(self._path)
            target = self._folder / self._path.name
            _move(self._path, target)
            _sync(self._folder)
            _sync(self._staging)
        self._table = None
        self.published.append(target)

    def _drop(self) -> None:
        with suppress(OSError):
            if self._table is not None:
                self._table.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._table = None

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop()
            what = os.strerror(error.errno) if error.errno else str(error)
            raise OutboxError(
                f"cannot write to the outbox {self._folder}: {what}; make room or give another --outbox"
            ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _move(source: Path, target: Path) -> None:
    """Renames without overwriting."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if target.exists():  # safe to ask under the lock
            raise FileExistsError(errno.EEXIST, "exists", target) from error
        os.rename(source, target)
    else:
        os.unlink(source)
