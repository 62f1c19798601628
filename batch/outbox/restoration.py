"""The way back of scans from done/ and failed/ to where digitbox read them."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from itertools import islice, takewhile
from pathlib import Path

from batch.locations import Location, is_remote
from batch.outbox.aside import aside_of, give_back, is_scan, numbered
from batch.outbox.batches import Batch
from batch.outbox.disposal import copy_new, is_reason, moved_paths, reasons_of, root_folder, target_of
from batch.records import After, Outcome, Reason, Status
from batch.storage.disk import digest_if_readable
from batch.storage.durable import are_on_other_mounts, make_folder, rename_new, sync


def is_in_place(outcome: Outcome) -> bool:
    """Return whether a scan lies where it was read, as `batches.unsettled` sees it; objects always do."""
    ref = outcome.ref
    if is_remote(ref.path):
        return True
    if outcome.reason is not Reason.NOT_A_FILE:
        return is_scan(Path(ref.path), outcome)
    try:
        info = os.lstat(ref.path)
    except OSError:
        return False
    return (info.st_size, info.st_mtime_ns) == (ref.size_bytes, ref.mtime_ns)


def find_scan(outcome: Outcome, batch: Batch, outbox: Location) -> str | None:
    """Return where a scan of a finished batch lies: in done/, in failed/ or where it was read; else None.

    In failed/, a file of the scan's name is the scan, even if somebody has completed it there. Where it was
    read, the scan may have a new name, if a kill stopped an earlier way back at its end.
    """
    ref = outcome.ref
    if isinstance(outbox, Path):
        aside = aside_of(target_of(outcome, batch, outbox), outcome, batch)
        if batch.after is not After.LEAVE and os.path.lexists(aside):
            return str(aside)  # a kill has stopped an earlier way back
        places = []
        for place in moved_paths(outcome, batch, outbox):
            if is_scan(place, outcome, is_renamed=True) or _is_copy(place, outcome):
                return str(place)
            places.append(place)
        if outcome.status is Status.FAILED:
            places = [place for place in places if not is_reason(place, batch)]
            if places:
                return str(
                    next((place for place in places if os.lstat(place).st_ino == ref.inode), places[0])
                )
    # The ledger has no size of a scan that killed its reader before anyone looked at the file.
    if is_in_place(outcome) or (ref.size_bytes < 0 and os.path.lexists(ref.path)):
        return ref.path
    if not isinstance(outbox, Path) or batch.after is After.LEAVE:
        return None
    names = takewhile(os.path.lexists, islice(numbered(Path(ref.path)), 1, None))
    return next((str(path) for path in names if is_scan(path, outcome, is_renamed=True)), None)


def restore(place: Path, outcome: Outcome, batch: Batch, outbox: Path) -> Path:
    """Move a scan from done/ or failed/ to where it was read; take a new name if that path is taken.

    Args:
        place: Where the scan lies, as `find_scan` says.
        outcome: Its row.
        batch: The batch of the row.
        outbox: The folder that has done/ and failed/.

    Returns:
        The path that it has now.

    Raises:
        OSError: The scan cannot be moved.
    """
    ref = outcome.ref
    if not os.path.isdir(root_folder(ref)):  # a missing inbox may be a share that is not mounted
        raise FileNotFoundError(errno.ENOENT, "no such folder", root_folder(ref))
    make_folder(Path(ref.path).parent)
    first = target_of(outcome, batch, outbox)
    aside = aside_of(first, outcome, batch)
    is_resumed = place == aside
    if is_resumed:
        place = first
    else:
        os.rename(place, aside)
    try:
        target = _move_back(aside, Path(ref.path), is_resumed=is_resumed)
    except OSError:
        give_back(aside, place)
        raise
    sync(target.parent)
    if outcome.status is Status.FAILED:
        for path in reasons_of(place, outcome, batch):
            path.unlink(missing_ok=True)
    for folder in place.parents:  # remove those that are empty now
        if folder.parent == outbox:
            break
        with suppress(OSError):
            folder.rmdir()
    return target


def _move_back(aside: Path, first_target: Path, *, is_resumed: bool) -> Path:
    """Move a scan under its hidden name to a path, or to a numbered one if that is taken; return it.

    Args:
        aside: The hidden name.
        first_target: The path.
        is_resumed: Whether a kill may have come between the two steps of this move.
    """
    is_other_mount = are_on_other_mounts(aside, first_target.parent)
    for target in numbered(first_target):
        try:
            if not is_other_mount:
                rename_new(aside, target)
                return target
            copy_new(aside, target, digest_if_readable(aside))
        except FileExistsError:
            # Without a kill, an equal file in the way is another scan.
            if not is_resumed:
                continue
            if not (_is_link(aside, target) or (is_other_mount and _are_alike(aside, target))):
                continue
        os.unlink(aside)
        return target
    raise AssertionError("numbers do not end")


def _is_link(first: Path, second: Path) -> bool:
    return os.path.samestat(os.lstat(first), os.lstat(second))


def _are_alike(first: Path, second: Path) -> bool:
    times = {os.lstat(path).st_mtime_ns for path in (first, second)}
    return len(times) == 1 and digest_if_readable(first) == digest_if_readable(second) != ""


def _is_copy(path: Path, outcome: Outcome) -> bool:
    """Return whether a file is the scan that was read, copied from another device."""
    info = os.lstat(path)
    is_alike = stat.S_ISREG(info.st_mode) and info.st_size == outcome.ref.size_bytes
    return is_alike and digest_if_readable(path) == outcome.sha256 != ""
