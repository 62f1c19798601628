"""What becomes of scans that have their row: moved to done/ or failed/, or deleted; and the way back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from batch.locations import Location, is_remote
from batch.outbox.ledger import Batch
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.results import names
from batch.storage.durable import digest, make_folder, rename_new, sync

DONE, FAILED = "done", "failed"


def dispose(outcomes: Iterable[Outcome], batch: Batch, outbox: Path) -> list[OSError]:
    """Moves or deletes the scans of a published batch; what is another file by now stays.

    Moved scans keep their sub-folders under `done/<date>/<batch>/` or `failed/<date>/<batch>/`, where a
    .json beside each says why it failed. Nothing is overwritten. A scan that was renamed in its folder after
    it was read is found there, and moved under the name that its row has.

    Args:
        outcomes: the members of the batch.
        batch: with what to do.
        outbox: folder that has done/ and failed/.

    Returns:
        What kept scans where they are, one error each.
    """
    problems = []
    touched: set[Path] = set()
    renamed = _Renamed()
    for outcome in outcomes:
        if outcome.reason is Reason.VANISHED:  # should it be back by now, nobody has read it
            continue
        source = Path(outcome.ref.path)
        # What nobody has read is not deleted: its disk may have been the trouble.
        is_moved = batch.after is After.MOVE or outcome.status is Status.FAILED
        if not _is_still(source, outcome.ref):
            found = renamed.find(outcome.ref) if is_moved else None
            if found is None:
                continue
            source = found
        try:
            if not is_moved:
                os.unlink(source)
            else:
                target = _target(outcome, batch, outbox)
                _move(source, target, outcome, batch, outbox)
                touched |= {folder for folder in target.parents if folder.is_relative_to(outbox)}
            touched.add(source.parent)
        except OSError as error:
            problems.append(error)
    for folder in touched:  # before anybody relies on it
        with suppress(FileNotFoundError, PermissionError):
            sync(folder)
    return problems


def root_folder(ref: ScanRef) -> str:
    """The folder that was searched when a scan was found; the scan's own, when it was named otherwise."""
    if ref.path.endswith(f"/{ref.name}"):
        return ref.path.removesuffix(ref.name)
    return os.path.dirname(ref.path)


def is_in_place(outcome: Outcome) -> bool:
    """Whether a scan lies where it was read, as far as `Ledger.unsettled` tells; objects always do."""
    if is_remote(outcome.ref.path):
        return True
    try:
        found = os.lstat(outcome.ref.path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (outcome.ref.size_bytes, outcome.ref.mtime_ns)


def find_scan(outcome: Outcome, batch: Batch, outbox: Location) -> str | None:
    """Where a scan of a retired batch lies: in done/ or failed/, or in its place; None if in neither."""
    ref = outcome.ref
    if batch.after is After.MOVE and isinstance(outbox, Path):
        wanted = _target(outcome, batch, outbox)
        place, number = wanted, 1
        while os.path.lexists(place):
            if _is_still(place, ref) or _is_copy(place, outcome):
                return str(place)
            place, number = _numbered(wanted, number), number + 1
    # One that killed its reader may never have been looked at.
    if is_in_place(outcome) or (ref.size_bytes < 0 and os.path.lexists(ref.path)):
        return ref.path
    return None


def restore(place: Path, outcome: Outcome, outbox: Path) -> Path:
    """Moves a scan from done/ or failed/ to where it was read, or beside what is there by now.

    Raises:
        OSError: it cannot be moved.
    """
    ref = outcome.ref
    wanted = Path(ref.path)
    if not os.path.isdir(root_folder(ref)):  # an inbox that is gone (a share not mounted) is not made anew
        raise FileNotFoundError(errno.ENOENT, "no such folder", root_folder(ref))
    make_folder(wanted.parent)
    target, number = wanted, 1
    while True:
        try:
            try:
                rename_new(place, target)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                _copy_back(place, target)
            break
        except FileExistsError:
            is_same = os.path.samestat(os.lstat(place), os.lstat(target))
            if is_same or _is_copy(target, outcome):  # it was killed right then
                os.unlink(place)
                break
            target, number = _numbered(wanted, number), number + 1
    sync(target.parent)
    if outcome.status is Status.FAILED:
        _beside(place, "", ".json").unlink(missing_ok=True)
    for folder in place.parents:  # those that are empty now
        if folder.parent == outbox:
            break
        with suppress(OSError):
            folder.rmdir()
    return target


def _copy_back(place: Path, target: Path) -> None:
    part = _beside(target, ".", ".part")
    shutil.copy2(place, part, follow_symlinks=False)
    sync(part)
    try:
        rename_new(part, target)
    except OSError:
        os.unlink(part)
        raise
    sync(target.parent)
    os.unlink(place)


def _is_copy(path: Path, outcome: Outcome) -> bool:
    """Whether it is what was read, copied from another device."""
    found = os.lstat(path)
    looks_so = (found.st_size, found.st_mtime_ns) == (outcome.ref.size_bytes, outcome.ref.mtime_ns)
    return looks_so and stat.S_ISREG(found.st_mode) and digest(path) == outcome.sha256


def possible_paths(outcome: Outcome, batch: Batch, outbox: Path) -> Iterator[str]:
    """Yields where a scan that has its row may be: where it was read, and where it was moved to.

    Whether it is that scan, its SHA-256 must tell.
    """
    yield outcome.ref.path
    if batch.after is After.MOVE:
        wanted = target = _target(outcome, batch, outbox)
        number = 1
        while os.path.lexists(target):
            yield str(target)
            target, number = _numbered(wanted, number), number + 1


class _Renamed:
    """Finds scans that have got another name in the same folder, which is listed once."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[int, Path]] = {}

    def find(self, ref: ScanRef) -> Path | None:
        if os.path.lexists(ref.path):  # replaced, not renamed
            return None
        folder = os.path.dirname(ref.path)
        if folder not in self._paths:
            self._paths[folder] = {}
            with suppress(OSError), os.scandir(folder) as entries:
                self._paths[folder] = {entry.inode(): Path(entry.path) for entry in entries}
        path = self._paths[folder].get(ref.inode)
        return path if path is not None and _is_still(path, ref) else None


def _is_still(path: Path, ref: ScanRef) -> bool:
    """Whether it is the file that was read: another one of its name is a scan of its own."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns, found.st_ino) == (ref.size_bytes, ref.mtime_ns, ref.inode)


def _target(outcome: Outcome, batch: Batch, outbox: Path) -> Path:
    kind = FAILED if outcome.status is Status.FAILED else DONE
    parts = [part for part in Path(outcome.ref.name).parts if part not in ("/", "..")]
    return outbox / kind / names.day(batch.file) / batch.batch_id / Path(*parts)


def _move(source: Path, wanted: Path, outcome: Outcome, batch: Batch, outbox: Path) -> None:
    if not outbox.is_dir():  # an outbox that is gone (a share not mounted) is not made anew
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(outbox))
    make_folder(wanted.parent)
    other_device = os.lstat(source).st_dev != os.stat(wanted.parent).st_dev
    target, number = wanted, 1
    # The folder is this batch's own: only a second scan of the same name can be in the way.
    while os.path.lexists(target):
        if other_device and digest(target) == digest(source):  # copied already, and then killed
            os.unlink(source)
            return
        target, number = _numbered(wanted, number), number + 1
    if outcome.status is Status.FAILED:
        _write_reason(outcome, batch, target)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target, outcome)
        return
    if not _is_still(target, outcome.ref):
        _give_back(target, source)


def _give_back(target: Path, source: Path) -> None:
    """Puts a scan back that took the place of the one that was read at the very moment of the move."""
    place, number = source, 1
    while os.path.lexists(place):
        place, number = _numbered(source, number), number + 1
    os.rename(target, place)


def _write_reason(outcome: Outcome, batch: Batch, target: Path) -> None:
    content = {
        "file": outcome.ref.name.encode("utf-8", "backslashreplace").decode(),
        "status": outcome.status.value,
        "reason": None if outcome.reason is None else outcome.reason.value,
        "sha256": outcome.sha256,
        "batch": batch.batch_id,
        "results": batch.file,
    }
    beside = _beside(target, "", ".json")
    beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    sync(beside)


def _copy(source: Path, target: Path, outcome: Outcome) -> None:
    """Moves to another device: the source goes when the copy is on the disk."""
    part = _beside(target, ".", ".part")
    shutil.copy2(source, part, follow_symlinks=False)
    if outcome.sha256 and digest(part) != outcome.sha256:
        os.unlink(part)
        raise OSError(errno.EIO, "the copy differs", str(target))
    sync(part)
    os.rename(part, target)
    sync(target.parent)
    if _is_still(source, outcome.ref):  # still: what came meanwhile is a scan of its own
        os.unlink(source)


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem[:200]}-{number + 1}{path.suffix}")


def _beside(target: Path, prefix: str, suffix: str) -> Path:
    """A name like the target's, no longer than a name can be, and no other scan's."""
    name = os.fsencode(target.name)
    if len(name) > 240:
        name = name[:200] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
    return target.with_name(prefix + os.fsdecode(name) + suffix)
