"""The files on their way from an inbox to a batch: those of events, and those of a rescan."""

from __future__ import annotations

import itertools
import logging
import math
import os
from collections.abc import Callable, Iterator, Sequence

from batch.config import WatchOptions
from batch.errors import InputError
from batch.inputs import names
from batch.inputs.content import has_image_content
from batch.inputs.names import Skipped
from batch.inputs.settling import UNKNOWN_PATIENCE
from batch.locations import is_kept
from batch.records import ScanRef
from batch.storage import dispatch
from batch.terminal.log import Repeated, event
from batch.watcher.events import Events
from batch.watcher.inbox import InboxMonitor, find_inputs
from batch.watcher.other_files import OtherFiles
from batch.watcher.stability import StabilityTracker

_log = logging.getLogger(__name__)

SOON_S = 0.2  # until a look that an event calls for
MAX_TRACKED = 100_000  # files that wait or are ready; digitbox finds the others when these are done

Unsettled = Callable[[Sequence[ScanRef]], list[ScanRef]]
"""Returns those of some scans that have no row."""


class Arrivals:
    """The files of an inbox that wait or are ready.

    Attributes:
        tracker: The files, of which some are ready.
        rescan_due: When to look at the whole inbox, on the clock.

    Args:
        options: The options of the watcher.
        inbox: The inbox.
        events: The events of the inbox.
        is_begun: Returns whether digitbox has begun to read the scan at a path.
        clock: A function that returns seconds and only goes forward.
        sign: Called now and then in a look at the whole inbox, which can take long.
    """

    def __init__(
        self,
        options: WatchOptions,
        inbox: InboxMonitor,
        events: Events,
        is_begun: Callable[[str], bool],
        clock: Callable[[], float],
        sign: Callable[[], object],
    ) -> None:
        self.rescan_due = -math.inf
        self._options, self._inbox, self._events, self._is_begun = options, inbox, events, is_begun
        self._clock, self._sign, self._rescan_took_s = clock, sign, 0.0
        self._has_more = False  # files in the inbox than the tracker has
        self._is_guessing = False  # whether the log has said that digitbox cannot see who writes
        self._others = OtherFiles(inbox.path)
        self._folders_warning = Repeated(_log, "folders")
        self.forget()

    def forget(self) -> None:
        """Forget all files; the next rescan finds them again."""
        self.tracker = StabilityTracker(
            self._options.settle_s, self._clock, self._inbox.path, self._events.is_open
        )

    def look(self, path: str, heard: float, unsettled: Unsettled) -> None:
        """Look at the path of an event.

        Args:
            path: The path.
            heard: When the event came. A file counts as unchanged since then, however long a batch took.
            unsettled: See `Unsettled`.
        """
        name = os.path.relpath(path, self._inbox.path)
        parts = name.split(os.sep)
        if parts[0] in (os.curdir, os.pardir) or (len(parts) > 1 and not self._options.recursive):
            return
        if any(names.is_ignored(part, self._options.ignore) for part in parts):
            return
        folders = itertools.accumulate([self._inbox.path, *parts[:-1]], os.path.join)
        if any(map(is_kept, itertools.islice(folders, 1, None))):
            return
        if os.path.isdir(path) and not os.path.islink(path):
            self.rescan_soon()  # files in a folder that somebody moves in make no events
        elif len(self.tracker) >= MAX_TRACKED:
            self._has_more = True
        elif self._is_begun(path):
            return
        elif (names.has_image_suffix(name) or has_image_content(path)) and unsettled(
            [dispatch.identify(ScanRef(path, name))]
        ):
            self.tracker.look(path, name, heard)

    def settle(self) -> None:
        """Make files ready that are whole, and log once if the system does not say who writes to files."""
        self.tracker.settle()
        if self.tracker.is_guessing and not self._is_guessing:
            self._is_guessing = True
            patience_s = self._options.settle_s * UNKNOWN_PATIENCE
            _log.warning(
                "cannot see whether somebody still writes to a file: digitbox reads it once it is closed, or "
                f"unchanged for {patience_s:g} s; on a local disk, give digitbox the capability CAP_LEASE",
                extra=event("guessing"),
            )

    def rescan_soon(self) -> None:
        """Plan a rescan soon, and only one for many reasons."""
        self.rescan_due = min(self.rescan_due, self._clock() + max(SOON_S, 5 * self._rescan_took_s))

    def find_more(self) -> None:
        """Plan a rescan now if all files are done that the tracker had room for, and there are others."""
        if self._has_more and not len(self.tracker):
            self.rescan_due = -math.inf

    def rescan(self, unsettled: Unsettled) -> None:
        """Look at the whole inbox, since events may have been lost, and plan the next rescan.

        Raises:
            BusyError: The inbox came back, and another process has it.
        """
        began = self._clock()
        self._look_at_all(unsettled)
        self._rescan_took_s = self._clock() - began
        # A slow look leaves as much time for scans as it took.
        self.rescan_due = began + max(self._inbox.next_look_s, 2 * self._rescan_took_s)

    def _look_at_all(self, unsettled: Unsettled) -> None:
        self._has_more = False
        if not self._inbox.is_there():
            return
        try:
            inputs = find_inputs(self._options, self._inbox.path)
            self._others.begin()
            inputs.show_skipped = self._skip
            closed_count = 0
            new_refs = map(unsettled, self._signing(dispatch.identify_all(inputs)))
            for ref in itertools.chain.from_iterable(new_refs):
                if self._is_begun(ref.path):
                    continue
                closed_count += not names.has_image_suffix(ref.name) and os.path.isdir(ref.path)
                if len(self.tracker) >= MAX_TRACKED:
                    self._has_more = True
                    break
                self.tracker.look(ref.path, ref.name)
            self._inbox.warning.warn("")
            self._folders_warning.warn(
                f"folders that cannot be listed: {closed_count:,}" if closed_count else ""
            )
            self._others.end()
        except (InputError, OSError) as error:  # a network share may be going away
            self._inbox.warning.warn(f"cannot look at the inbox: {error}")

    def _skip(self, skipped: Skipped) -> None:
        self._sign()
        self._others.add(skipped)

    def _signing(self, chunks: Iterator[list[ScanRef]]) -> Iterator[list[ScanRef]]:
        for chunk in chunks:
            self._sign()
            yield chunk
