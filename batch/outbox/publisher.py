"""The outbox: one writer at a time, batches staged out of sight and published whole, each scan once.

A batch goes through these steps, in this order:

- stage: digitbox writes its rows to `staging/` in the state folder, and syncs the file;
- prepare: the ledger gets the batch, its members and the digest of the staged file, in one commit;
- publish: digitbox renames the file into the outbox and syncs both folders. For object storage, it puts the
  file there by one request, unlinks it, and syncs its folder;
- settle: the ledger gets the new state of the batch;
- dispose: digitbox moves or deletes the scans, if `after` says so, and the ledger gets the last state.

A kill before *prepare* leaves the scans where they were, without a row. After a later kill, recovery goes on
where the batch stopped. A staged file that is gone proves that the batch was published: a reader may have
taken the published file away already. After a kill between the request and the unlink, recovery puts the same
bytes under the same name once more. So the ledger needs nothing before digitbox reads the scans, and a batch
costs two or three commits, however many scans it has.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from batch.clock import iso, utc_now
from batch.errors import ExitCode, OutboxError, RunError
from batch.locations import Location, state_folder
from batch.outbox import batches, run_history, turns
from batch.outbox.batches import Batch, State
from batch.outbox.disposal import dispose
from batch.outbox.ledger import Ledger
from batch.outbox.prune import Limits, Pruned, prune
from batch.outbox.run_stats import RunStats
from batch.outbox.turns import Role
from batch.records import After, Outcome, RunSummary, ScanRef, by_file
from batch.results import names, writers
from batch.storage import dispatch
from batch.storage.disk import check_same, inode_of
from batch.storage.durable import digest, make_folder, remove_leftovers, sync
from batch.text import count_scans

_log = logging.getLogger(__name__)

_PAST = {After.MOVE: "moved to done/ or failed/", After.DELETE: "deleted"}


class Outbox:
    """The place that outcomes go to as files of results; a `with` block holds its lock.

    On the way in, the outbox finishes what an earlier process left unfinished. On the way out, it publishes
    what is staged, or drops it if an exception passes.

    Attributes:
        published: The files of results so far, with those of an earlier process that it published on the way
            in; an address is text.
        while_waiting: Called while another process has its turn; may raise an exception to give up.
        sign: Called before each scan that digitbox moves or deletes, as all of them can take long.
        passing: Errors for which the process only pauses, so that they do not end the entry of its run.
        not_disposed: Why digitbox could not move or delete scans that have their row; empty if it could.

    Args:
        place: The outbox; `with` makes the folder if it is missing.
        format_name: One of `csv` and `parquet`.
        rows_per_file: The maximum of rows in a file; each file is a batch of its own. Only the pages of one
            scan can be more.
        with_probabilities: Add the columns p0 to p9.
        stats: The figures of the run, which has an entry in the ledger; its model has a column.
        with_numbers: Add the column of the confidences of a number's digits.
        after: What becomes of scans that have their row.
        only_new: Leave out scans that are like one that has its row.
        attempts: How many rows with a failure that may pass settle a scan.
        role: What this process does. A watcher shares the outbox with commands that clean up.
        now: Returns the time of day, UTC.
    """

    def __init__(
        self,
        place: Location,
        *,
        format_name: str,
        rows_per_file: int,
        with_probabilities: bool,
        stats: RunStats,
        with_numbers: bool = False,
        after: After = After.LEAVE,
        only_new: bool = False,
        attempts: int = 1,
        role: Role = Role.RUN,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.published: list[Path | str] = []
        self.not_disposed, self._not_disposed_scans = "", 0
        self.while_waiting: Callable[[], object] = lambda: None
        self.sign: Callable[[], object] = lambda: None
        self.passing: tuple[type[BaseException], ...] = ()
        self._place, self._state = place, state_folder(place)
        self._staging = self._state / "staging"
        self._storage = dispatch.storage_of(str(place))
        self._format, self._rows_per_file = format_name, rows_per_file
        self._now = now
        self._with_probabilities, self._with_numbers = with_probabilities, with_numbers
        self._after, self._only_new, self._attempts = after, only_new, attempts
        self._stats, self._role = stats, role
        self._ledger: Ledger
        self._lock: tuple[int, int] | None = None
        self._table: writers.ResultsFile | None = None
        self._batch_id, self._path = "", self._staging
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Take the lock, and finish what an earlier process left unfinished.

        Raises:
            BusyError: Another process writes to this outbox.
            OutboxError: The outbox cannot be written.
            LedgerError: The ledger of the outbox is damaged.
        """
        with ExitStack() as stack, self._reporting():
            self._storage.check(str(self._place))
            make_folder(self._staging)
            busy = f"another digitbox is writing to {self._place}: wait for it, or give another --outbox"
            stack.enter_context(turns.hold_outbox(self._state, self._role, busy=busy))
            self._lock = inode_of(turns.lock_of(self._state))
            with self.turn():
                probe = self._staging / f"probe-{secrets.token_hex(4)}"
                probe.write_bytes(b"?")
                self._ledger = Ledger(self._state)
                stack.callback(self._ledger.close)
                self._recover()
                self._stats.resume()
                run_history.write_run(self._ledger, self._stats.summary())
                run_history.trim_runs(self._ledger)
            self._open = stack.pop_all()
        return self

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn of a watcher for the time of the block; a run has the outbox for itself.

        A watcher must hold it in each call of the other methods but `beat`, and while anything is staged.

        Raises:
            BusyError: Another process has its turn for very long.
            OutboxError: The outbox is gone.
        """
        with ExitStack() as stack:
            if self._role is not Role.RUN:
                with self._reporting():
                    stack.enter_context(turns.hold_turn(self._state, while_waiting=self.while_waiting))
            yield

    def prune(self, limits: Limits, pruned: Pruned, now: datetime) -> Generator[None]:
        """Remove old scans and rows as `digitbox prune` does, and yield after each step.

        Raises:
            BusyError: A prune or retry is at work.
            OutboxError: The ledger cannot be written.
            OSError: The lock of who cleans up cannot be opened.
        """
        assert isinstance(self._place, Path)  # a watcher's outbox is on a disk
        busy = f"a prune or retry is at work in {self._place}"
        with turns.hold_role(self._state, Role.CLEANER, busy=busy):
            yield from prune(self._ledger, self._place, limits, pruned, dry_run=False, now=now)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish what is staged, or drop it if an exception passes; give the lock back."""
        with self._open:
            if error is None:
                self.publish()
            else:
                self._drop()
            self._write_end(error)

    def unsettled(self, refs: Sequence[ScanRef]) -> list[ScanRef]:
        """Return the scans that have no row.

        With `only_new`, they are not like a settled one either. Without it, a settled scan is only there
        because digitbox could not move or delete it.
        """
        if self._only_new:
            return batches.unsettled(self._ledger, refs, self._attempts)
        return batches.not_awaiting_disposal(self._ledger, refs) if self.not_disposed else list(refs)

    def add(self, outcomes: Sequence[Outcome]) -> None:
        """Stage a row for each outcome, and publish the batch when it is full.

        All pages of a file are in one batch, even if it has more rows than others then.

        Args:
            outcomes: The outcomes of whole files: of each, all pages one after the other.

        Raises:
            OutboxError: The disk is full, or the outbox is gone.
        """
        while outcomes:
            staged = 0 if self._table is None else self._table.rows
            count = _rows_that_fit(outcomes, self._rows_per_file - staged)
            if not count and staged:
                self.publish()
                continue
            count = count or len(next(by_file(outcomes)))
            chunk, outcomes = outcomes[:count], outcomes[count:]
            with self._reporting():
                table = self._table or self._start()
                table.add(chunk, self._now())
                batches.add_members(self._ledger, self._batch_id, chunk)
                self._stats.stage(chunk)
            if table.rows >= self._rows_per_file:
                self.publish()

    def publish(self) -> Path | str | None:
        """Publish what is staged, and move or delete its scans; return the file, or None without rows.

        Raises:
            OutboxError: The disk is full, or the outbox is gone or another one.
        """
        if self._table is None:
            return None
        with self._reporting():
            self._check_in_place()
            self._table.close()
            sync(self._path)
            sync(self._staging)
            batch = Batch(self._batch_id, self._path.name, digest(self._path), self._after, State.PREPARED)
            # There is no way back from here: recovery sees in the ledger whether the batch is prepared.
            self._table = None
            # `prepare` commits this, too, so a kill loses no count.
            run_history.write_run(self._ledger, self._stats.summary(with_staged=True))
            batches.prepare(self._ledger, batch)
            self._stats.publish()
            self._finish(batch)
        return self._place / batch.file

    def dispose_rest(self) -> None:
        """Try once more to move or delete the scans that digitbox could not move or delete before.

        Raises:
            OutboxError: The outbox is gone, or another one.
        """
        self.not_disposed, self._not_disposed_scans = "", 0
        with self._reporting():
            self._check_in_place()
            for batch in batches.unfinished(self._ledger):
                self._finish(batch)

    def beat(self, inbox: str, state: str, every_s: float) -> None:
        """Write to the ledger that a watcher is alive, what it does, and when it writes again."""
        beat = run_history.Heartbeat(os.getpid(), inbox, state, "", iso(self._now()), every_s=every_s)
        run_history.write_heartbeat(self._ledger, beat)

    def note_ends(self, runs: Sequence[RunSummary]) -> None:
        """Write how earlier starts of the watcher ended, of those that have an entry."""
        for run in runs:
            run_history.write_end(self._ledger, run)

    def last_runs(self, count: int) -> list[RunSummary]:
        """Return the last entries of the history, the newest first; this run's is the first."""
        return run_history.last_runs(self._ledger, count)

    def _start(self) -> writers.ResultsFile:
        # No number has this letter, so table programs do not take the column for numbers.
        self._batch_id = "b" + secrets.token_hex(4)
        self._path = self._staging / names.file_name(self._now(), self._batch_id, self._format)
        self._table = writers.ResultsFile(
            self._path, self._batch_id, self._stats.model, self._with_probabilities, self._with_numbers
        )
        return self._table

    def _check_in_place(self) -> None:
        """Check that this is the outbox of the lock and the ledger that the process has opened."""
        self._ledger.check_in_place()
        check_same(turns.lock_of(self._state), self._lock)

    def _recover(self) -> None:
        for batch in batches.unfinished(self._ledger):
            staged = self._staging / batch.file
            if batch.state is State.PREPARED and staged.exists() and digest(staged) != batch.sha256:
                batches.delete(self._ledger, batch.batch_id)  # the disk lost it, and nobody has seen it
            else:
                self._finish(batch)
        for path in self._staging.iterdir():
            if path.is_dir() and not path.is_symlink():  # digitbox makes none
                _log.warning(f"{path} is a folder, and not digitbox's: move it away")
            else:
                path.unlink()
        if isinstance(self._place, Path):
            remove_leftovers(self._place)

    def _finish(self, batch: Batch) -> None:
        """Take a prepared batch to its end, from the step that it has come to."""
        if batch.state is State.PREPARED:
            staged, target = self._staging / batch.file, self._place / batch.file
            if staged.exists():
                try:
                    self._storage.publish(staged, str(target))
                except FileExistsError as error:
                    raise OutboxError(f"{target} is in the way: move it, and start again") from error
                self.published.append(target)
            self._storage.sync(str(self._place))
            sync(self._staging)
            state = State.DISPOSED if batch.after is After.LEAVE else State.PUBLISHED
            batches.set_state(self._ledger, batch.batch_id, state)
        if batch.after is not After.LEAVE:
            assert isinstance(self._place, Path)  # the options leave objects where they are
            members = self._signing(batches.members(self._ledger, batch.batch_id))
            problems = dispose(members, batch, self._place)
            if problems:
                self._not_disposed_scans += len(problems)
                scans = count_scans(self._not_disposed_scans)
                self.not_disposed = f"{scans} could not be {_PAST[batch.after]}: {_message(problems[0])}"
            else:
                batches.set_state(self._ledger, batch.batch_id, State.DISPOSED)

    def _signing(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            self.sign()
            yield outcome

    def _write_end(self, error: BaseException | None) -> None:
        if isinstance(error, self.passing):
            return
        if error is not None:
            self._stats.end_by(error)
        elif self._stats.exit_code is None:
            self._stats.end(ExitCode.OK)
        with suppress(RunError):  # the results are published all the same
            self._ledger.rollback()
            run_history.write_run(self._ledger, self._stats.summary())

    def _drop(self) -> None:
        self._stats.drop()
        if self._table is None:
            return
        with suppress(OSError):
            self._table.close()
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        self._table = None
        with suppress(OutboxError):
            self._ledger.rollback()

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._drop()
            folder, option = f"the outbox {self._place}", "--outbox"
            if not isinstance(self._place, Path):
                folder, option = f"{self._state}, which has the ledger of {self._place}", "--state"
            raise OutboxError(
                f"cannot write to {folder}: {_message(error)}; make room or give another {option}"
            ) from error
        except OutboxError:  # from the ledger
            self._drop()
            raise


def _rows_that_fit(outcomes: Sequence[Outcome], room: int) -> int:
    """Return how many of the first outcomes fit into the room and are all of their files."""
    if len(outcomes) <= room:
        return len(outcomes)
    return next((count for count in range(room, 0, -1) if outcomes[count - 1].is_last_page), 0)


def _message(error: OSError) -> str:
    return error.strerror or str(error)
