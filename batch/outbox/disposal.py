"""The disposal of scans that have their row, to done/, to failed/ or by deletion; and the way back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path

from batch.locations import Location, is_remote
from batch.outbox.batches import Batch
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.results import names
from batch.storage.durable import digest, make_folder, rename_new, sync

DONE, FAILED = "done", "failed"


def dispose(outcomes: Iterable[Outcome], batch: Batch, outbox: Path) -> list[OSError]:
    """Move or delete the scans of a published batch; a scan that is another file by now stays.

    Scans keep their sub-folders under `done/<date>/<batch>/` or `failed/<date>/<batch>/`. A .json beside a
    failed scan says why it failed. Disposal overwrites nothing. If someone has renamed a scan in its folder,
    digitbox finds it there, and moves it under the name in its row.

    Args:
        outcomes: The members of the batch.
        batch: The batch; its `after` says what to do.
        outbox: The folder that has done/ and failed/.

    Returns:
        One error for each scan that had to stay.
    """
    problems = []
    touched: set[Path] = set()
    renamed = _Renamed()
    for outcome in outcomes:
        if outcome.reason is Reason.VANISHED:  # if it is back by now, nobody has read it
            continue
        source = Path(outcome.ref.path)
        # A scan that failed is never deleted: its disk may have been the trouble.
        is_moved = batch.after is After.MOVE or outcome.status is Status.FAILED
        if not _is_same_file(source, outcome.ref):
            new_path = renamed.find(outcome.ref) if is_moved else None
            if new_path is None:
                continue
            source = new_path
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
    for folder in touched:  # before the ledger says that it is done
        with suppress(FileNotFoundError, PermissionError):
            sync(folder)
    return problems


def root_folder(ref: ScanRef) -> str:
    """Return the folder that a search found a scan in; the scan's own folder if it was named by itself."""
    if ref.path.endswith(f"/{ref.name}"):
        return ref.path.removesuffix(ref.name)
    return os.path.dirname(ref.path)


def is_in_place(outcome: Outcome) -> bool:
    """Return whether a scan lies where it was read, as `batches.unsettled` sees it; objects always do."""
    if is_remote(outcome.ref.path):
        return True
    try:
        info = os.lstat(outcome.ref.path)
    except OSError:
        return False
    return (info.st_size, info.st_mtime_ns) == (outcome.ref.size_bytes, outcome.ref.mtime_ns)


def find_scan(outcome: Outcome, batch: Batch, outbox: Location) -> str | None:
    """Return where a scan of a finished batch lies: in done/, in failed/ or where it was read; else None."""
    ref = outcome.ref
    if batch.after is After.MOVE and isinstance(outbox, Path):
        for place in takewhile(os.path.lexists, _numbered(_target(outcome, batch, outbox))):
            if _is_same_file(place, ref) or _is_copy(place, outcome):
                return str(place)
    # The ledger has no size of a scan that killed its reader before anyone looked at the file.
    if is_in_place(outcome) or (ref.size_bytes < 0 and os.path.lexists(ref.path)):
        return ref.path
    return None


def restore(place: Path, outcome: Outcome, outbox: Path) -> Path:
    """Move a scan from done/ or failed/ to where it was read; take a new name if that path is taken.

    Returns:
        The path that it has now.

    Raises:
        OSError: The scan cannot be moved.
    """
    ref = outcome.ref
    if not os.path.isdir(root_folder(ref)):  # a missing inbox may be a share that is not mounted
        raise FileNotFoundError(errno.ENOENT, "no such folder", root_folder(ref))
    make_folder(Path(ref.path).parent)
    for target in _numbered(Path(ref.path)):
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
            if is_same or _is_copy(target, outcome):  # a kill came between the two steps of this move
                os.unlink(place)
                break
    sync(target.parent)
    if outcome.status is Status.FAILED:
        _beside(place, "", ".json").unlink(missing_ok=True)
    for folder in place.parents:  # remove those that are empty now
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
    """Return whether a file is the scan that was read, copied from another device."""
    info = os.lstat(path)
    is_alike = (info.st_size, info.st_mtime_ns) == (outcome.ref.size_bytes, outcome.ref.mtime_ns)
    return is_alike and stat.S_ISREG(info.st_mode) and digest(path) == outcome.sha256


def possible_paths(outcome: Outcome, batch: Batch, outbox: Path) -> Iterator[str]:
    """Yield where a settled scan may be: where it was read, and where digitbox may have moved it.

    The caller must compare the SHA-256: another file may have taken the path.
    """
    yield outcome.ref.path
    if batch.after is After.MOVE:
        yield from map(str, takewhile(os.path.lexists, _numbered(_target(outcome, batch, outbox))))


class _Renamed:
    """An index of folders by inode, to find scans that someone renamed; it lists each folder once."""

    def __init__(self) -> None:
        self._paths: dict[str, dict[int, Path]] = {}

    def find(self, ref: ScanRef) -> Path | None:
        """Return the new path of a scan; None if it was not renamed in its folder."""
        if os.path.lexists(ref.path):  # replaced, not renamed
            return None
        folder = os.path.dirname(ref.path)
        if folder not in self._paths:
            self._paths[folder] = {}
            with suppress(OSError), os.scandir(folder) as entries:
                self._paths[folder] = {entry.inode(): Path(entry.path) for entry in entries}
        path = self._paths[folder].get(ref.inode)
        return path if path is not None and _is_same_file(path, ref) else None


def _is_same_file(path: Path, ref: ScanRef) -> bool:
    """Return whether a path is the file that was read; another file of its name is a scan of its own."""
    try:
        info = os.lstat(path)
    except OSError:
        return False
    return (info.st_size, info.st_mtime_ns, info.st_ino) == (ref.size_bytes, ref.mtime_ns, ref.inode)


def _target(outcome: Outcome, batch: Batch, outbox: Path) -> Path:
    kind = FAILED if outcome.status is Status.FAILED else DONE
    parts = [part for part in Path(outcome.ref.name).parts if part not in ("/", "..")]
    return outbox / kind / names.day(batch.file) / batch.batch_id / Path(*parts)


def _move(source: Path, first_target: Path, outcome: Outcome, batch: Batch, outbox: Path) -> None:
    if not outbox.is_dir():  # a missing outbox may be a share that is not mounted
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(outbox))
    make_folder(first_target.parent)
    is_other_device = os.lstat(source).st_dev != os.stat(first_target.parent).st_dev
    # The folder is this batch's own: only a second scan of the same name can be in the way.
    for target in _numbered(first_target):
        if not os.path.lexists(target):
            break
        if is_other_device and digest(target) == digest(source):  # a kill came after the copy
            os.unlink(source)
            return
    if outcome.status is Status.FAILED:
        _write_reason(outcome, batch, target)
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target, outcome)
        return
    if not _is_same_file(target, outcome.ref):  # another scan took its place just before the move
        os.rename(target, next(path for path in _numbered(source) if not os.path.lexists(path)))


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
    """Move a scan to another device: delete the source when the copy is on the disk."""
    part = _beside(target, ".", ".part")
    shutil.copy2(source, part, follow_symlinks=False)
    if outcome.sha256 and digest(part) != outcome.sha256:
        os.unlink(part)
        raise OSError(errno.EIO, "the copy differs", str(target))
    sync(part)
    os.rename(part, target)
    sync(target.parent)
    if _is_same_file(source, outcome.ref):  # a file that came meanwhile is a scan of its own
        os.unlink(source)


def _numbered(path: Path) -> Iterator[Path]:
    """Yield a path, and then without end the numbered ones that take its place if it is taken."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem[:200]}-{number}{path.suffix}")


def _beside(target: Path, prefix: str, suffix: str) -> Path:
    """Return a path beside a scan for a file about it: no other scan's, and short enough for a name."""
    name = os.fsencode(target.name)
    if len(name) > 240:
        name = name[:200] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
    return target.with_name(prefix + os.fsdecode(name) + suffix)
