"""Where bytes are: on disks, or in object storage; one interface for both.

Finding scans on disks is `inbox`'s, in object storage `listing`'s.
"""

from __future__ import annotations

import errno
import itertools
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from batch import addresses
from batch.errors import ImageError
from batch.files.durable import sync
from batch.records import Reason, ScanRef

# Never follow a link, never wait for the writer of a pipe.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
AT_ONCE = 500  # scans that are identified

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


def of(address: str) -> Storage:
    """The storage of a path or an address.

    Raises:
        MissingExtraError: what it needs is not installed.
    """
    return _of(_scheme(address))


def contents(refs: Iterable[ScanRef], max_bytes: int) -> Iterator[Content]:
    """As of `Storage`, for scans of any."""
    for scheme, some in itertools.groupby(refs, key=lambda ref: _scheme(ref.path)):
        yield from _of(scheme).contents(some, max_bytes)


def identified(ref: ScanRef) -> ScanRef:
    """The scan with what tells it from another file of its name; as it is where there is no file.

    Objects are identified when they are listed: to ask for each once more would take a request each.
    """
    if addresses.is_remote(ref.path):
        return ref
    try:
        found = os.lstat(ref.path)
    except OSError:
        return ref
    return _as_of(found, ref)


def all_identified(refs: Iterable[ScanRef]) -> Iterator[list[ScanRef]]:
    """Yields all scans, identified, some at a time."""
    left = iter(refs)
    while some := list(itertools.islice(left, AT_ONCE)):
        yield list(map(identified, some))


def _as_of(status: os.stat_result, ref: ScanRef) -> ScanRef:
    return ScanRef(ref.path, ref.name, status.st_size, status.st_mtime_ns, status.st_ino)


def _scheme(address: str) -> str:
    return address.partition("://")[0] if addresses.is_remote(address) else ""


def _of(scheme: str) -> Storage:
    if not scheme:
        return Disk()
    from batch.files import objects  # brings what most runs have no use for

    return objects.of(scheme)


class Disk:
    """Files."""

    def contents(self, refs: Iterable[ScanRef], max_bytes: int) -> Iterator[Content]:
        """As of `Storage`; each is opened when it is asked for."""
        for ref in refs:
            yield self.content(ref, max_bytes)

    def content(self, ref: ScanRef, max_bytes: int) -> Content:
        """As of `Storage`, of one file."""
        was_seen = ref.size_bytes >= 0
        try:
            descriptor = os.open(ref.path, _OPEN_FLAGS)
        except OSError as error:
            return ref if was_seen else identified(ref), _not_opened(error)
        try:
            status = os.fstat(descriptor)
            found = _as_of(status, ref)
            ref = ref if was_seen else found
            if not stat.S_ISREG(status.st_mode):
                return ref, ImageError(Reason.NOT_A_FILE, "a folder or a device")
            if found != ref:
                return ref, ImageError(Reason.CHANGED, "somebody replaced the file, or wrote to it")
            size_bytes = found.size_bytes
            check_size(size_bytes, max_bytes)
            data = os.read(descriptor, size_bytes + 1)
            while data and len(data) < size_bytes and (more := os.read(descriptor, size_bytes - len(data))):
                data += more
            if len(data) != size_bytes or _as_of(os.fstat(descriptor), ref) != ref:
                return ref, ImageError(Reason.CHANGED, "somebody wrote to the file while it was read")
            return ref, data
        except ImageError as error:
            return ref, error
        except OSError as error:
            return ref, ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO))
        finally:
            os.close(descriptor)

    def check(self, outbox: str) -> None:
        """As of `Storage`; a folder is found out about by staging in it."""

    def publish(self, staged: Path, target: str) -> None:
        """As of `Storage`, by a rename; safe to ask before, under the outbox's lock."""
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(staged, target)

    def keep(self, outbox: str) -> None:
        """As of `Storage`."""
        sync(Path(outbox))


def check_size(size_bytes: int, max_bytes: int) -> None:
    """Checks that there is something to read, and not too much.

    Raises:
        ImageError: there is not.
    """
    if size_bytes == 0:
        raise ImageError(Reason.EMPTY, "the file has no content")
    if size_bytes > max_bytes:
        raise ImageError(Reason.TOO_LARGE, f"{size_bytes} bytes are more than {max_bytes}")


def _not_opened(error: OSError) -> ImageError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ImageError(Reason.VANISHED, "the file is gone")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
        return ImageError(Reason.NOT_A_FILE, "a link, a folder or a device")
    return ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO))
