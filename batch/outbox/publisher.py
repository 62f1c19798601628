"""The outbox: one writer at a time, batches staged out of sight and published whole, each scan once.

A batch goes through these steps, in this order:

- stage: its rows are written to `staging/` in the state folder, and synced;
- prepare: the ledger notes the batch, its members and the digest of the staged file, in one commit;
- publish: the file is renamed into the outbox, and both folders are synced; or it is put into object storage
  by one request, and unlinked, and its folder is synced;
- settle: the ledger notes that;
- retire: its scans are moved or deleted, if that is wanted, and the ledger notes that, too.

Killed before *prepare*, nothing has happened: the scans are where they were and have no row. Killed after it,
recovery goes on where it stopped. That the staged file is gone is the witness that it was published:
whoever reads the outbox may have taken the file away already. Killed between the request and the unlink, the
same bytes are put under the same name once more. So nothing need be noted before the scans are read, and a
batch costs two or three commits, however many scans it has.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from batch.clock import iso, utc_now
from batch.errors import ExitCode, OutboxError, RunError
from batch.locations import Location, state_folder
from batch.outbox import run_history
from batch.outbox.disposal import dispose
from batch.outbox.ledger import Batch, Ledger, State
from batch.outbox.run_stats import RunStats
from batch.records import After, Outcome, RunSummary, ScanRef
from batch.results import names, writers
from batch.storage import dispatch, locks
from batch.storage.durable import digest, make_folder, sync
from batch.text import count_scans


class Outbox:
    """Writes outcomes as files of results; to be used with `with`, which holds the outbox's lock.

    On the way in, what an earlier process left unfinished is finished. On the way out, what is staged is
    published, or dropped when an exception passes.

    Attributes:
        published: files of results so far, with those of an earlier process that are published now; text,
            where it is an address.
        not_retired: why scans that have their row could not be moved or deleted; empty when all could.

    Args:
        place: the outbox; made if need be.
        format_name: `csv` or `parquet`.
        rows_per_file: most rows of a file; each file is a batch of its own.
        model: version of the model, for the column.
        with_probabilities: whether there are columns p0 to p9.
        after: what becomes of scans that have their row.
        only_new: whether a scan of the same path, size and modification time as one that has its row is the
            same, though that one was moved or deleted.
        attempts: rows that say that a scan failed, for a reason that may pass, before one of them counts.
        account: of the run, which has an entry in the ledger then; None for what is no run.
        now: the clock, UTC.
    """

    def __init__(
        self,
        place: Location,
        *,
        format_name: str,
        rows_per_file: int,
        model: str,
        with_probabilities: bool,
        after: After = After.LEAVE,
        only_new: bool = False,
        attempts: int = 1,
        account: RunStats | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.published: list[Path | str] = []
        self.not_retired = ""
        self._place, self._state = place, state_folder(place)
        self._staging = self._state / "staging"
        self._storage = dispatch.storage_of(str(place))
        self._format, self._rows_per_file = format_name, rows_per_file
        self._model, self._with_probabilities, self._now = model, with_probabilities, now
        self._after, self._only_new, self._attempts = after, only_new, attempts
        self._account = account
        self._ledger: Ledger
        self._lock: os.stat_result
        self._table: writers.ResultsFile | None = None
        self._batch, self._path = "", self._staging
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Takes the lock, and finishes what was left unfinished.

        Raises:
            BusyError: another process writes to this outbox.
            OutboxError: it cannot be written.
            LedgerError: its ledger is damaged.
        """
        with ExitStack() as opened, self._reporting():
            self._storage.check(str(self._place))
            make_folder(self._staging)
            lock = self._state / "lock"
            lock.touch()
            busy = f"another digitbox is writing to {self._place}: wait for it, or give another --outbox"
            opened.enter_context(locks.hold(lock, exclusive=True, busy=busy))
            probe = self._staging / "probe"
            probe.write_bytes(b"?")
            self._ledger = Ledger(self._state)
            opened.callback(self._ledger.close)
            self._lock = os.stat(lock)
            self._recover()
            if self._account is not None:
                self._account.go_on()
                run_history.write_run(self._ledger, self._account.summary())
                run_history.trim_runs(self._ledger)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publishes what is staged, or drops it when an exception passes; gives the lock back."""
        with self._open:
            if error is None:
                self.publish()
            else:
                self._drop()
            self._note_end(error)

    def unsettled(self, refs: Sequence[ScanRef]) -> list[ScanRef]:
        """Those of some scans that have no row; the others are only still there because they are left there.

        A scan that is to be moved or deleted is told from a new one of the same name by its inode, too,
        unless only new ones are wanted.
        """
        if self._after is After.LEAVE or self._only_new:
            return self._ledger.unsettled(refs, self._attempts)
        return [ref for ref in refs if not (self.not_retired and self._ledger.waits_to_retire(ref))]

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Stages a row for each, and publishes the batch when it is full.

        Raises:
            OutboxError: the disk is full, or the outbox is gone.
        """
        while outcomes:
            with self._reporting():
                table = self._table or self._start()
                room = self._rows_per_file - table.rows
                some, outcomes = outcomes[:room], outcomes[room:]
                table.add(some, self._now())
                self._ledger.add(self._batch, some)
                if self._account is not None:
                    self._account.stage(some)
            if table.rows >= self._rows_per_file:
                self.publish()

    def publish(self) -> Path | str | None:
        """Publishes what is staged, and moves or deletes its scans; returns the file, or None without rows.

        Raises:
            OutboxError: the disk is full, or the outbox is gone.
        """
        if self._table is None:
            return None
        with self._reporting():
            self._table.close()
            sync(self._path)
            sync(self._staging)
            batch = Batch(self._batch, self._path.name, digest(self._path), self._after, State.PREPARED)
            # From here on only forward: whatever goes wrong, recovery knows whether the batch is prepared.
            self._table = None
            if self._account is not None:  # in the same commit: whatever ends the run, its rows are counted
                run_history.write_run(self._ledger, self._account.summary(with_staged=True))
            self._ledger.prepare(batch)
            if self._account is not None:
                self._account.publish()
            self._finish(batch)
        return self._place / batch.file

    def retire_rest(self) -> None:
        """Tries once more to move or delete the scans that could not be before.

        Raises:
            OutboxError: the outbox is gone.
        """
        self.not_retired = ""
        with self._reporting():
            if not os.path.samestat(os.stat(self._state / "lock"), self._lock):
                raise FileNotFoundError(errno.ENOENT, "it was replaced")
            for batch in self._ledger.unfinished():
                self._finish(batch)

    def beat(self, inbox: str, state: str, every_s: float) -> None:
        """Notes in the ledger that a watcher is alive, what it does, and when it will say so again."""
        beat = run_history.Heartbeat(os.getpid(), inbox, state, "", iso(self._now()), every_s=every_s)
        run_history.write_heartbeat(self._ledger, beat)

    def earlier(self, count: int) -> list[RunSummary]:
        """The last entries of the ledger, the newest first; this run's is the first."""
        return run_history.last_runs(self._ledger, count)

    def _start(self) -> writers.ResultsFile:
        self._batch = secrets.token_hex(4)
        self._path = self._staging / names.file_name(self._now(), self._batch, self._format)
        self._table = writers.ResultsFile(self._path, self._batch, self._model, self._with_probabilities)
        return self._table

    def _recover(self) -> None:
        for batch in self._ledger.unfinished():
            staged = self._staging / batch.file
            if batch.state is State.PREPARED and staged.exists() and digest(staged) != batch.sha256:
                self._ledger.delete(batch.batch_id)  # the disk lost it; no one has seen it
            else:
                self._finish(batch)
        for left_over in self._staging.iterdir():
            left_over.unlink()

    def _finish(self, batch: Batch) -> None:
        """Takes a batch that is prepared, or further, to its end; what was done before is not done again."""
        if batch.state is State.PREPARED:
            staged, target = self._staging / batch.file, self._place / batch.file
            if staged.exists():
                try:
                    self._storage.publish(staged, str(target))
                except FileExistsError as error:
                    raise OutboxError(f"{target} is in the way: move it, and start again") from error
                self.published.append(target)
            self._storage.keep(str(self._place))
            sync(self._staging)
            self._ledger.mark(
                batch.batch_id, State.RETIRED if batch.after is After.LEAVE else State.PUBLISHED
            )
        if batch.after is not After.LEAVE:
            assert isinstance(self._place, Path)  # by the options; objects are left where they are
            problems = dispose(self._ledger.members(batch.batch_id), batch, self._place)
            if problems:
                scans = count_scans(len(problems))
                what = os.strerror(problems[0].errno) if problems[0].errno else str(problems[0])
                self.not_retired = f"{scans} could not be {_PAST[batch.after]}: {what}"
            else:
                self._ledger.mark(batch.batch_id, State.RETIRED)

    def _note_end(self, error: BaseException | None) -> None:
        if self._account is None:
            return
        if error is not None:
            self._account.end_by(error)
        elif self._account.exit_code is None:
            self._account.end(ExitCode.OK)
        with suppress(RunError):  # the results are published all the same
            self._ledger.forget()
            run_history.write_run(self._ledger, self._account.summary())

    def _drop(self) -> None:
        if self._account is not None:
            self._account.drop()
        if self._table is None:
            return
        with suppress(OSError):
            self._table.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._table = None
        with suppress(OutboxError):
            self._ledger.forget()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop()
            what = os.strerror(error.errno) if error.errno else str(error)
            where = f"the outbox {self._place}", "--outbox"
            if not isinstance(self._place, Path):
                where = f"{self._state}, which has the ledger of {self._place}", "--state"
            raise OutboxError(
                f"cannot write to {where[0]}: {what}; make room or give another {where[1]}"
            ) from error
        except OutboxError:  # of the ledger
            self._drop()
            raise


_PAST = {After.MOVE: "moved to done/ or failed/", After.DELETE: "deleted"}
