"""The storage that reads and writes files of this machine."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from batch.errors import ImageError, OutboxError, check_means
from batch.records import Beat, Reason, ScanRef
from batch.storage.base import Content, check_size
from batch.storage.durable import sync
from batch.storage.open_files import OPEN_FLAGS, has_open_writer, open_regular

CHUNK_BYTES = 8 << 20  # of a large file, between two signs of life: a slow share takes minutes for all of it


class Disk:
    """The `Storage` of local and mounted disks."""

    def contents(
        self, refs: Iterable[ScanRef], max_bytes: int, beat: Beat = lambda: None
    ) -> Iterator[Content]:
        """Yield the content of each scan, opening one file at a time; see `Storage`."""
        for ref in refs:
            beat()
            yield self.content(ref, max_bytes, beat)

    def content(self, ref: ScanRef, max_bytes: int, beat: Beat = lambda: None) -> Content:
        """Return the content of one scan; see `Storage`."""
        descriptors: list[int] = []  # as in `open_descriptor`, whose call would cost time for each scan
        try:
            descriptors.extend(map(os.open, [ref.path], [OPEN_FLAGS]))
            descriptor = descriptors[0]
            status = os.fstat(descriptor)
            opened = _with_status(ref, status)
            ref = ref if ref.size_bytes >= 0 else opened
            if not stat.S_ISREG(status.st_mode):
                return ref, ImageError(Reason.NOT_A_FILE, "a folder or a device")
            if _facts(opened) != _facts(ref):
                return ref, ImageError(Reason.CHANGED, "somebody replaced the file, or wrote to it")
            size_bytes = opened.size_bytes
            check_size(size_bytes, max_bytes)
            data = _read(descriptor, size_bytes + 1, beat)
            if len(data) != size_bytes or _with_status(ref, os.fstat(descriptor)) != opened:
                return ref, ImageError(Reason.CHANGED, "somebody wrote to the file while it was read")
            if has_open_writer(descriptor):
                return ref, ImageError(Reason.CHANGED, "somebody has the file open for writing")
            return opened, data
        except ImageError as error:
            return ref, error
        except OSError as error:
            return ref if ref.size_bytes >= 0 else identify_file(ref), _read_error(error)
        finally:
            if descriptors:
                os.close(descriptors[0])

    def check(self, outbox: str) -> None:
        """Do nothing: staging shows whether the folder can be written; see `Storage`."""

    def publish(self, staged: Path, target: str) -> None:
        """Publish a staged file by a rename; see `Storage`."""
        if os.path.lexists(target):  # safe, because the caller holds the lock of the outbox
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(staged, target)

    def sync(self, outbox: str) -> None:
        """Sync the folder of the outbox; see `Storage`."""
        sync(Path(outbox))


def _read(descriptor: int, max_bytes: int, beat: Beat) -> bytes:
    """Return the bytes of a file, at most so many."""
    data = os.read(descriptor, min(max_bytes, CHUNK_BYTES))
    if len(data) >= max_bytes - 1:
        return data
    content = io.BytesIO()  # it grows without a copy
    while data:
        content.write(data)
        beat()
        data = os.read(descriptor, min(max_bytes - content.tell(), CHUNK_BYTES))
    return content.getvalue()


def read_start(path: str, max_bytes: int) -> bytes:
    """Return the first bytes of a file; none if it cannot be read, or is a link, a folder or a device.

    Raises:
        MeansError, ShareError: See `check_means`.
    """
    try:
        with open_regular(path) as descriptor:
            return os.read(descriptor, max_bytes)
    except OSError as error:
        check_means(error)
        return b""


def identify_file(ref: ScanRef) -> ScanRef:
    """Return the scan with the size, times and inode of its file; unchanged if there is no file."""
    try:
        status = os.lstat(ref.path)
    except OSError:
        return ref
    return _with_status(ref, status)


def inode_of(path: str | Path) -> tuple[int, int] | None:
    """Return the device and the inode of a path; None if there is nothing."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def check_same(path: Path, identity: tuple[int, int] | None) -> None:
    """Check that a file of an outbox is the one that this process opened.

    Args:
        path: The file.
        identity: What `inode_of` said then.

    Raises:
        OutboxError: Somebody replaced it, or took it away.
    """
    if inode_of(path) != identity:
        raise OutboxError(
            f"somebody moved or replaced {path} while digitbox had it open: a new start can go on there"
        )


def digest_if_readable(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a regular file, as hexadecimal digits; empty if digitbox cannot read it.

    Raises:
        MeansError, ShareError: See `check_means`.
    """
    try:
        with open_regular(path) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        check_means(error)
        return ""


def _with_status(ref: ScanRef, status: os.stat_result) -> ScanRef:
    size_bytes, mtime_ns, ctime_ns = status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return ScanRef(ref.path, ref.name, size_bytes, mtime_ns, status.st_ino, ref.source, ctime_ns)


def _facts(ref: ScanRef) -> tuple[int, int, int]:
    """Return what must not change between the find and the read. A new owner or link changes other facts."""
    return ref.size_bytes, ref.mtime_ns, ref.inode


def _read_error(error: OSError) -> ImageError:
    check_means(error)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return ImageError(Reason.VANISHED, "the file is gone")
    if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
        return ImageError(Reason.NOT_A_FILE, "a link, a folder or a device")
    return ImageError(Reason.UNREADABLE, os.strerror(error.errno or errno.EIO))
