"""What disks and object storage have in common: how scans are read, and files of results are published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from batch.errors import ImageError
from batch.records import Reason, ScanRef

Content = tuple[ScanRef, bytes | ImageError]
"""A scan as it was when it was read, with its bytes, or with why there are none."""


class Storage(Protocol):
    """Reads scans, and publishes files of results."""

    def contents(self, refs: Iterable[ScanRef], max_bytes: int) -> Iterator[Content]:
        """Yields the content of each scan, in their order, never more than `max_bytes`.

        A scan that was looked at before must be the same still.

        Raises:
            InputError: nothing can be read any more, whichever scan is asked for.
        """

    def check(self, outbox: str) -> None:
        """Finds out, where that is cheap, whether an outbox can be written.

        Raises:
            OutboxError: it cannot.
        """

    def publish(self, staged: Path, target: str) -> None:
        """Has a file appear as `target`, whole at once, and lets it disappear from where it was staged.

        Killed in between, it may be done once more, with the same bytes.

        Raises:
            FileExistsError: something else is there.
            OSError: of the local disk.
            OutboxError: of object storage.
        """

    def keep(self, outbox: str) -> None:
        """Has what was published outlive a power cut.

        Raises:
            OSError: the outbox is gone, or the disk is failing.
        """


def check_size(size_bytes: int, max_bytes: int) -> None:
    """Checks that there is something to read, and not too much.

    Raises:
        ImageError: there is not.
    """
    if size_bytes == 0:
        raise ImageError(Reason.EMPTY, "the file has no content")
    if size_bytes > max_bytes:
        raise ImageError(Reason.TOO_LARGE, f"{size_bytes} bytes are more than {max_bytes}")
