"""The daily removal of old scans from done/ and failed/ by the watcher, a step at a time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator
from datetime import timedelta

from batch.clock import utc_now
from batch.config import WatchOptions
from batch.errors import BusyError, OutboxError
from batch.outbox.prune import Limits, Pruned
from batch.outbox.publisher import Outbox
from batch.terminal.log import event
from batch.text import count, count_scans

_log = logging.getLogger(__name__)

DAY_S = 86_400.0
BUSY_S = 600.0  # until the next attempt, if somebody cleans up at that moment, or the disk is full


class DailyPruning:
    """What `--keep-done` and `--keep-failed` ask for: at the start, and once a day.

    Attributes:
        due: When to call `go_on`, on the clock.

    Args:
        options: The options of the watcher.
        clock: A function that returns seconds and only goes forward.
    """

    def __init__(self, options: WatchOptions, clock: Callable[[], float]) -> None:
        self._ages = _age(options.keep_done_s), _age(options.keep_failed_s)
        self._clock = clock
        self.due = math.inf if self._ages == (None, None) else -math.inf
        self._steps: Generator[None] | None = None
        self._pruned = Pruned()

    def go_on(self, outbox: Outbox) -> None:
        """Do the next step, within the watcher's turn.

        Raises:
            OutboxError: The ledger cannot be written.
        """
        if self._steps is None:
            self._pruned = Pruned()
            now = utc_now()
            self._steps = outbox.prune(Limits.of_ages(now, *self._ages), self._pruned, now)
        try:
            next(self._steps)
        except StopIteration:
            self._say(self._pruned)
            self._end(DAY_S)
        except BusyError:
            self._end(BUSY_S)
        except OutboxError:
            self._end(BUSY_S)  # the watcher may be able to read scans meanwhile
            raise
        except OSError as error:
            _log.warning(f"cannot delete old scans: {error}", extra=event("prune"))
            self._end(DAY_S)

    def stop(self) -> None:
        """Leave the other steps to the next start."""
        if self._steps is not None:
            self._end(0.0)

    def _end(self, next_s: float) -> None:
        if self._steps is not None:
            self._steps.close()
        self._steps, self.due = None, self._clock() + next_s

    def _say(self, pruned: Pruned) -> None:
        if pruned.files or pruned.scans:
            _log.info(
                f"deleted {count(pruned.files, 'old file')} of done/ and failed/ "
                f"({pruned.size_bytes / 1e6:,.1f} MB); the ledger forgot {count_scans(pruned.scans)}",
                extra=event("prune", files=pruned.files, bytes=pruned.size_bytes, scans=pruned.scans),
            )
        for note in pruned.notes:
            _log.warning(note, extra=event("prune"))
        if pruned.problems:
            first = pruned.problems[0]
            _log.warning(
                f"cannot delete {first.filename}: {first.strerror}; change that", extra=event("prune")
            )


def _age(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)
