"""Files of this machine."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from batch.errors import ImageError
from batch.records import Reason, ScanRef
from batch.storage.base import Content, check_size
from batch.storage.durable import sync

# Never follow a link, never wait for the writer of a pipe.
_OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


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
            return ref if was_seen else identify_file(ref), _not_opened(error)
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


def identify_file(ref: ScanRef) -> ScanRef:
    """The scan with what tells it from another file of its name; as it is where there is no file."""
    try:
        found = os.lstat(ref.path)
    except OSError:
        return ref
    return _as_of(found, ref)


def _as_of(status: os.stat_result, ref: ScanRef) -> ScanRef:
    return ScanRef(ref.path, ref.name, status.st_size, status.st_mtime_ns, status.st_ino)


def _not_opened(error: OSError) -> ImageError:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ImageError(Reason.VANISHED, "the file is gone")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
        return ImageError(Reason.NOT_A_FILE, "a link, a folder or a device")
    return ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO))
