"""Scans under a name of their own, so that nobody can replace them between a look and the next step.

To dispose of a scan, digitbox first renames it to a hidden name beside it. Then it looks whether this is the
scan that it has read. Only after that, it moves or deletes it. Another file of the scan's old name is safe.
The hidden name depends only on the row, so after a kill, recovery finds the file.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from batch.outbox.batches import Batch
from batch.records import Outcome
from batch.storage.disk import digest_if_readable
from batch.storage.durable import rename_new
from batch.storage.open_files import has_writer

MAX_NAME_BYTES, MAX_SUFFIX_BYTES = 240, 50  # of a name that gets a number; a file system takes 255 bytes


class InUseError(OSError):
    """The error for a scan that somebody has open for writing."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EBUSY, "somebody writes to it", str(path))


def aside_of(path: Path, outcome: Outcome, batch: Batch) -> Path:
    """Return the hidden name beside a path for the scan of a row."""
    ref = outcome.ref
    facts = f"{ref.path}\0{ref.inode}\0{ref.mtime_ns}\0{outcome.sha256}"
    digest = hashlib.sha256(facts.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return path.with_name(f".{batch.batch_id}-{digest}.part")


def set_aside(source: Path, aside: Path, outcome: Outcome, *, by_content: bool) -> bool:
    """Rename a scan to its hidden name, and look whether it is the scan of its row.

    Args:
        source: Where the scan lies, or lay before a kill.
        aside: Its hidden name. If there is a file of that name, a kill has left it.
        outcome: Its row.
        by_content: Compare the content in any case: nothing else is sure enough to delete a file.

    Returns:
        Whether the scan has the hidden name now. If it is another one, it has its old name again.

    Raises:
        InUseError: Somebody writes to the scan, which has its old name again.
        OSError: The scan cannot be renamed.
    """
    if not os.path.lexists(aside):
        if has_writer(source):
            raise InUseError(source)
        if not _is_file(source):
            return False
        os.rename(source, aside)
    is_written = has_writer(aside)
    if is_written or not is_scan(aside, outcome, is_renamed=True, by_content=by_content):
        give_back(aside, source)
        if is_written:
            raise InUseError(source)
        return False
    return True


def give_back(aside: Path, source: Path) -> Path:
    """Give a scan its old name again, or a numbered one if another scan has that; return it.

    Raises:
        OSError: The scan cannot be renamed.
    """
    for target in numbered(source):
        try:
            rename_new(aside, target)
        except FileExistsError:
            continue
        return target
    raise AssertionError("numbers do not end")


def is_scan(path: Path, outcome: Outcome, *, is_renamed: bool = False, by_content: bool = False) -> bool:
    """Return whether a path has the file of a row; another file of its name is a scan of its own.

    The content decides if inode or time of the last change differ, as some file systems number files anew.

    Args:
        path: The path.
        outcome: The row.
        is_renamed: Pass over the time of the last change, which a rename sets.
        by_content: Compare the content in any case, if digitbox has read it.
    """
    ref = outcome.ref
    try:
        info = os.lstat(path)
    except OSError:
        return False
    if not stat.S_ISREG(info.st_mode) or (info.st_size, info.st_mtime_ns) != (ref.size_bytes, ref.mtime_ns):
        return False
    is_same = info.st_ino == ref.inode and (is_renamed or info.st_ctime_ns == ref.ctime_ns)
    if not outcome.sha256:
        return info.st_ino == ref.inode
    return (is_same and not by_content) or digest_if_readable(path) == outcome.sha256


def numbered(path: Path) -> Iterator[Path]:
    """Yield a path, and then without end the numbered ones that take its place if it is taken."""
    yield path
    stem, suffix = path.stem[:200], path.suffix
    if len(os.fsencode(suffix)) > MAX_SUFFIX_BYTES:
        stem, suffix = path.name, ""
    if len(os.fsencode(stem + suffix)) > MAX_NAME_BYTES:
        room = MAX_NAME_BYTES - len(os.fsencode(suffix))
        stem = os.fsencode(stem)[:room].decode("utf-8", "ignore")  # no half of a letter at its end
    for number in count(2):
        yield path.with_name(f"{stem}-{number}{suffix}")


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
