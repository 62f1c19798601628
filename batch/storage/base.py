"""The interface that disks and object storage share: to read scans, and to publish files of results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from batch.errors import ImageError
from batch.records import Beat, Reason, ScanRef

Content = tuple[ScanRef, bytes | ImageError]
"""A scan as it was when digitbox read it, with its bytes or with the error that says why there are none."""


class Storage(Protocol):
    """A place that has scans and takes files of results."""

    def contents(
        self, refs: Iterable[ScanRef], max_bytes: int, beat: Beat = lambda: None
    ) -> Iterator[Content]:
        """Yield the content of each scan, in their order.

        Args:
            refs: The scans. One that was identified before must not have changed since.
            max_bytes: Largest size of a scan; a larger one gives an `ImageError`.
            beat: A function that it calls again and again while it reads.

        Raises:
            InputError: No scan can be read any more.
        """

    def check(self, outbox: str) -> None:
        """Check that an outbox can be written, as far as that is cheap.

        Raises:
            OutboxError: The outbox cannot be written.
        """

    def publish(self, staged: Path, target: str) -> None:
        """Move a staged file to its target, where it appears whole and at once.

        After a kill in between, the next process publishes the same bytes again.

        Args:
            staged: Path of the staged file.
            target: Path or address of the file of results.

        Raises:
            FileExistsError: There is another file at the target.
            OSError: The local disk fails.
            OutboxError: Object storage fails.
        """

    def sync(self, outbox: str) -> None:
        """Make sure that the published files survive a power cut.

        Raises:
            OSError: The outbox is gone, or the disk fails.
        """


def check_size(size_bytes: int, max_bytes: int) -> None:
    """Check the size of a scan before digitbox reads it.

    Raises:
        ImageError: `empty` or `too_large`.
    """
    if size_bytes == 0:
        raise ImageError(Reason.EMPTY, "the file has no content")
    if size_bytes > max_bytes:
        raise ImageError(Reason.TOO_LARGE, f"{size_bytes} bytes are more than {max_bytes}")
