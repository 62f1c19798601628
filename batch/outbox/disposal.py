"""The disposal of scans that have their row: to done/, to failed/, or by deletion."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from batch.locations import DONE, FAILED, is_kept
from batch.outbox.aside import aside_of, give_back, is_scan, numbered, set_aside
from batch.outbox.batches import Batch
from batch.records import After, Outcome, Reason, ScanRef, Status
from batch.results import names
from batch.storage.disk import digest_if_readable, read_start
from batch.storage.durable import are_on_other_mounts, make_folder, rename_new, sync

MAX_LEFT = 3  # files with the same name that may have left done/ or failed/ before one with a number
MAX_REASON_BYTES = 1 << 16  # of a file that says why a scan failed; the name in it takes the most


def dispose(outcomes: Iterable[Outcome], batch: Batch, outbox: Path) -> list[OSError]:
    """Move or delete the scans of a published batch; a scan that is another file by now stays.

    Only regular files go. Scans keep their sub-folders under `done/<date>/<batch>/` or
    `failed/<date>/<batch>/`. A .json beside a failed scan says why it failed. Disposal overwrites nothing: a
    file whose name is taken gets a number. If someone has renamed a scan in its folder, or a folder above it,
    digitbox finds the scan, and moves it under the name in its row.

    Args:
        outcomes: The members of the batch.
        batch: The batch; its `after` says what to do.
        outbox: The folder that has done/ and failed/.

    Returns:
        One error for each scan that had to stay, also because somebody writes to it.
    """
    problems = []
    touched: set[Path] = set()
    renamed = _Renamed()
    for outcome in outcomes:
        if outcome.reason is Reason.VANISHED:  # if it is back by now, nobody has read it
            continue
        # A scan that failed is never deleted: its disk may have been the trouble.
        is_moved = batch.after is After.MOVE or outcome.status is Status.FAILED
        source = Path(outcome.ref.path)
        aside = aside_of(source, outcome, batch)
        if not os.path.lexists(aside) and not is_scan(source, outcome):
            new_path = renamed.find(outcome) if is_moved else None
            if new_path is None:
                continue
            source, aside = new_path, new_path.with_name(aside.name)
        try:
            if not set_aside(source, aside, outcome, by_content=not is_moved):
                continue
            if not is_moved:
                os.unlink(aside)
            else:
                target = target_of(outcome, batch, outbox)
                try:
                    _move(aside, target, outcome, batch, outbox)
                except OSError:
                    give_back(aside, source)
                    raise
                touched.add(target.parent)
            touched.add(source.parent)
        except OSError as error:
            problems.append(error)
    above = {folder for path in touched for folder in path.parents if folder.is_relative_to(outbox)}
    for folder in touched | above:  # before the ledger says that it is done
        with suppress(FileNotFoundError, PermissionError):
            sync(folder)
    return problems


def root_folder(ref: ScanRef) -> str:
    """Return the folder that a search found a scan in; the scan's own folder if it was named by itself.

    A link to a scan may lie in another folder than the scan: the scan's own folder counts.
    """
    if ref.source and ref.path.startswith(os.path.join(ref.source, "")):
        return ref.source
    # Rows of older versions do not say it. Their names do, if a single folder was read.
    if ref.path.endswith(f"/{ref.name}"):
        return ref.path.removesuffix(ref.name)
    return os.path.dirname(ref.path)


def moved_paths(outcome: Outcome, batch: Batch, outbox: Path) -> Iterator[Path]:
    """Yield the files in done/ or failed/ that have the name of a scan, or a numbered one."""
    if batch.after is not After.LEAVE:
        yield from _present(numbered(target_of(outcome, batch, outbox)))


def _present(paths: Iterator[Path]) -> Iterator[Path]:
    """Yield those of numbered paths that are there, until several in a row are not."""
    absent = 0
    while absent <= MAX_LEFT:
        path = next(paths)
        if os.path.lexists(path):
            absent = 0
            yield path
        else:
            absent += 1


def target_of(outcome: Outcome, batch: Batch, outbox: Path) -> Path:
    """Return the path in done/ or failed/ to which digitbox moves a scan."""
    kind = FAILED if outcome.status is Status.FAILED else DONE
    parts = [part for part in Path(outcome.ref.name).parts if part not in ("/", "..")]
    return outbox / kind / names.day(batch.file) / batch.batch_id / Path(*parts)


def beside(target: Path, prefix: str, suffix: str) -> Path:
    """Return a path beside a scan for a file about it: no other scan's, and short enough for a name."""
    name = os.fsencode(target.name)
    if len(name) > 240:
        name = name[:200] + b"-" + hashlib.sha256(name).hexdigest()[:16].encode()
    return target.with_name(prefix + os.fsdecode(name) + suffix)


def reasons_of(target: Path, outcome: Outcome, batch: Batch) -> list[Path]:
    """Return the files that say why a scan failed, and no scan that has such a name."""
    paths = numbered(beside(target, "", ".json"))
    facts = outcome.sha256.encode(), batch.batch_id.encode()
    starts = ((path, read_start(str(path), MAX_REASON_BYTES)) for path in _present(paths))
    return [path for path, start in starts if all(fact in start for fact in facts)]


def is_reason(path: Path, batch: Batch) -> bool:
    """Return whether a file says why a scan of this batch failed."""
    return f'"results": "{batch.file}"'.encode() in read_start(str(path), MAX_REASON_BYTES)


def copy_new(source: Path, target: Path, sha256: str) -> None:
    """Copy a file to a name on another device that must be free, whole or not at all.

    Args:
        source: The file.
        target: The new path.
        sha256: The digest that the copy must have; empty for any.

    Raises:
        FileExistsError: The name is taken.
        OSError: The disk is full or fails, or the copy differs.
    """
    part = beside(target, ".digitbox-", ".part")
    try:
        shutil.copyfile(source, part, follow_symlinks=False)
        with suppress(OSError):  # some network shares refuse times and rights
            shutil.copystat(source, part, follow_symlinks=False)
        if sha256 and digest_if_readable(part) != sha256:
            raise OSError(errno.EIO, "the copy differs", str(target))
        sync(part)
        rename_new(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    sync(target.parent)


class _Renamed:
    """An index of folders by inode, to find scans that someone renamed; it lists each folder once."""

    def __init__(self) -> None:
        self._paths: dict[tuple[str, bool], dict[int, Path]] = {}

    def find(self, outcome: Outcome) -> Path | None:
        """Return the new path of a scan; None if neither it nor its folder was renamed where it was found."""
        ref = outcome.ref
        if os.path.lexists(ref.path):  # replaced, not renamed
            return None
        folder = os.path.dirname(ref.path)
        is_deep = not os.path.lexists(folder)
        place = (root_folder(ref) if is_deep else folder), is_deep
        if place not in self._paths:
            self._paths[place] = {entry.inode(): Path(entry.path) for entry in _entries(*place)}
        path = self._paths[place].get(ref.inode)
        return path if path is not None and is_scan(path, outcome, is_renamed=True) else None


def _entries(folder: str, is_deep: bool) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a folder, with `is_deep` also below it, but not below hidden or kept ones."""
    folders = [folder]
    while folders:
        with suppress(OSError), os.scandir(folders.pop()) as entries:
            for entry in entries:
                yield entry
                is_folder = is_deep and entry.is_dir(follow_symlinks=False)
                if is_folder and not entry.name.startswith(".") and not is_kept(entry.path):
                    folders.append(entry.path)


def _move(aside: Path, first_target: Path, outcome: Outcome, batch: Batch, outbox: Path) -> None:
    if not outbox.is_dir():  # a missing outbox may be a share that is not mounted
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(outbox))
    make_folder(first_target.parent)
    is_other_mount = are_on_other_mounts(aside, first_target.parent)
    # The folder is this batch's own: only a second scan of the same name can be in the way.
    for target in numbered(first_target):
        if os.path.lexists(target):
            # A kill may have come after the copy.
            if is_other_mount and digest_if_readable(target) == digest_if_readable(aside) != "":
                break
            continue
        if outcome.status is Status.FAILED:
            _write_reason(outcome, batch, target)
        if not is_other_mount:
            rename_new(aside, target)
            return
        copy_new(aside, target, outcome.sha256)
        break
    os.unlink(aside)


def _write_reason(outcome: Outcome, batch: Batch, target: Path) -> None:
    content = {
        "file": outcome.ref.name.encode("utf-8", "backslashreplace").decode(),
        "status": outcome.status.value,
        "reason": None if outcome.reason is None else outcome.reason.value,
        **({"extra": outcome.extra} if outcome.extra else {}),
        **({"page": outcome.page} if outcome.page else {}),
        "sha256": outcome.sha256,
        "batch": batch.batch_id,
        "results": batch.file,
    }
    path = beside(target, "", ".json")
    part = beside(path, ".digitbox-", ".part")
    try:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        sync(part)
        for free in numbered(path):  # a scan may have the name
            try:
                rename_new(part, free)
            except FileExistsError:
                if digest_if_readable(free) != digest_if_readable(part):
                    continue  # else a kill came after it
            break
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)
