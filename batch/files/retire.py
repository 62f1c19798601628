"""What becomes of scans that have their row: moved to done/ or failed/, or deleted."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from batch.files.ledger import Batch
from batch.records import After, Outcome, ScanRef, Status

DONE, FAILED = "done", "failed"


def retire(outcomes: Iterable[Outcome], batch: Batch, outbox: Path) -> list[OSError]:
    """Moves or deletes the scans of a published batch; what is another file by now stays.

    Moved scans keep their sub-folders under `done/<date>/<batch>/` or `failed/<date>/<batch>/`, where a
    .json beside each says why it failed. Nothing is overwritten.

    Args:
        outcomes: the members of the batch.
        batch: with what to do.
        outbox: folder that has done/ and failed/.

    Returns:
        What kept scans where they are, one error each.
    """
    problems = []
    touched: set[Path] = set()
    for outcome in outcomes:
        source = Path(outcome.ref.path)
        if not _is_still(source, outcome.ref):
            continue
        try:
            if batch.after is After.DELETE:
                os.unlink(source)
            else:
                target = _target(outcome, batch, outbox)
                _make_folders(target.parent, outbox)
                if outcome.status is Status.FAILED:
                    _explain(outcome, batch, target)
                _move(source, target, outcome.sha256)
                touched |= {folder for folder in target.parents if folder.is_relative_to(outbox)}
            touched.add(source.parent)
        except OSError as error:
            problems.append(error)
    for folder in touched:  # before anybody relies on it
        with suppress(FileNotFoundError, PermissionError):
            sync(folder)
    return problems


def sync(path: Path) -> None:
    """Has a file's content, or a folder's names, written to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_still(path: Path, ref: ScanRef) -> bool:
    """Whether it is the file that was read: another one of its name is a scan of its own."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns, found.st_ino) == (ref.size_bytes, ref.mtime_ns, ref.inode)


def _target(outcome: Outcome, batch: Batch, outbox: Path) -> Path:
    day = batch.file.split("-")[1]  # predictions-20240131T...
    kind = FAILED if outcome.status is Status.FAILED else DONE
    parts = [part for part in Path(outcome.ref.name).parts if part not in ("/", "..")]
    return outbox / kind / f"{day[:4]}-{day[4:6]}-{day[6:8]}" / batch.batch_id / Path(*parts)


def _make_folders(folder: Path, outbox: Path) -> None:
    if not outbox.is_dir():  # an outbox that is gone (a share not mounted) is not made anew
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(outbox))
    folder.mkdir(parents=True, exist_ok=True)


def _explain(outcome: Outcome, batch: Batch, target: Path) -> None:
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


def _move(source: Path, target: Path, sha256: str) -> None:
    number = 1
    wanted = target
    other_device = os.lstat(source).st_dev != os.stat(target.parent).st_dev
    # The folder is this batch's own: only a second scan of the same name can be in the way.
    while os.path.lexists(target):
        if other_device and _digest(target) == _digest(source):  # copied already, and then killed
            os.unlink(source)
            return
        number += 1
        target = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target, sha256)


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Moves to another device: the source goes when the copy is on the disk."""
    part = _beside(target, ".", ".part")
    shutil.copy2(source, part, follow_symlinks=False)
    if sha256 and _digest(part) != sha256:
        os.unlink(part)
        raise OSError(errno.EIO, "the copy differs", str(target))
    sync(part)
    os.rename(part, target)
    sync(target.parent)
    os.unlink(source)


def _beside(target: Path, prefix: str, suffix: str) -> Path:
    """A name like the target's, no longer than a name can be."""
    return target.with_name(prefix + os.fsdecode(os.fsencode(target.name)[:240]) + suffix)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
