"""Finding scans: files, folders and globs, in a stable order and in flat memory."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from batch.errors import InputError
from batch.inputs.external_sort import sorted_names
from batch.inputs.names import PassedOver, PathPattern, has_image_suffix, is_ignored, is_scan
from batch.locations import Location, is_remote
from batch.records import ScanRef


class Inputs:
    """What a run was told to read.

    Iterating yields one `ScanRef` for every scan, in the same order each time. Nothing is opened, and no link
    is followed but one that is named itself.

    Attributes:
        skipped: other files met so far.
        unfinished: those of them that are hidden, not whole yet, or to be ignored.

    Args:
        inputs: files, folders and globs, as given.
        recursive: whether folders are searched to the bottom.
        outbox: is never searched.
        ignored: patterns of names to pass over, besides those of unfinished and hidden files.

    Raises:
        InputError: an input is not there, cannot be listed, or matches nothing.
    """

    def __init__(
        self, inputs: Sequence[str], recursive: bool, outbox: Location, ignored: Sequence[str] = ()
    ) -> None:
        self._inputs, self._ignored, self._outbox = inputs, ignored, outbox
        self._recursive = recursive
        self._levels = PathPattern(["**" if recursive else "*"])
        self.skipped = self.unfinished = 0
        for given in inputs:
            self._check(given)

    @property
    def folders(self) -> list[Path]:
        """Those inputs that are folders of this machine, each once."""
        return list(
            {_identity(given): Path(given) for given in self._inputs if os.path.isdir(given)}.values()
        )

    def __iter__(self) -> Iterator[ScanRef]:
        self.skipped = self.unfinished = 0
        single = len(self._inputs) == 1
        for given in self._inputs:
            if is_remote(given):
                yield from self._remote(given)
            elif os.path.isdir(given):
                yield from self._walk(os.path.realpath(given), "" if single else given, self._levels)
            elif os.path.lexists(given):
                yield ScanRef(os.path.realpath(given), given)
            else:
                yield from self._glob(given)

    def _check(self, given: str) -> None:
        if is_remote(given):
            found = self._listed(given)
            if glob.has_magic(given) and next(found, None) is None:
                raise InputError(f"nothing matches {given}: check the pattern, and quote it for the shell")
        elif os.path.lexists(given):
            if not os.path.exists(given):
                raise InputError(f"{given} is a link to nothing: name the file or folder itself")
            if os.path.isdir(given) and not os.access(given, os.R_OK | os.X_OK):
                raise InputError(f"cannot list {given}: permission denied; change that, or name another")
        elif glob.has_magic(given):
            if next(self._glob(given), None) is None and not self.skipped:
                raise InputError(
                    f"no file matches {given}: check the pattern, and quote it for the shell; "
                    "/** at its end is all that is in folders"
                )
        else:
            raise InputError(f"{_why_not(given)}; name what to read, as in: digitbox run SCANS/")

    def _listed(self, given: str) -> Iterator[ScanRef | PassedOver]:
        from batch.inputs import object_store  # brings what most runs have no use for

        is_only = len(self._inputs) == 1
        return object_store.find_objects(
            given, recursive=self._recursive, is_only=is_only, outbox=self._outbox, ignored=self._ignored
        )

    def _remote(self, given: str) -> Iterator[ScanRef]:
        for found in self._listed(given):
            if isinstance(found, ScanRef):
                yield found
            else:
                self.skipped += 1
                self.unfinished += found is PassedOver.UNFINISHED

    def _glob(self, pattern: str) -> Iterator[ScanRef]:
        # glob.iglob follows links in circles, and comes in no order.
        parts = pattern.split("/")
        level = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        above = "".join(part + "/" for part in parts[:level])
        root = os.path.realpath(above or ".")
        if os.path.isdir(root):
            yield from self._walk(root, above, PathPattern([part for part in parts[level:] if part]))

    def _walk(self, root: str, prefix: str, levels: PathPattern) -> Iterator[ScanRef]:
        # A run makes it before it looks here.
        outbox = _identity(self._outbox) if isinstance(self._outbox, Path) else None
        # A stack of open folders, not a recursion: folders can be nested deeper than Python's calls.
        stack = [
            (
                os.path.join(root, ""),
                prefix and os.path.join(prefix, ""),
                levels.start,
                self._names(root, levels, levels.start),
            )
        ]
        while stack:
            folder, above, places, names = stack[-1]
            for name in names:
                if not name.endswith("/"):
                    yield ScanRef(folder + name, above + name)
                    continue
                path, called = folder + name[:-1], above + name[:-1]
                below = levels.below(places, name[:-1])
                if has_image_suffix(called) and levels.is_match(below):
                    yield ScanRef(path, called)  # a row says that this is no file
                if not levels.goes_on(below) or _identity(path) == outbox:
                    continue
                try:
                    stack.append((folder + name, above + name, below, self._names(path, levels, below)))
                except InputError:
                    yield ScanRef(path, called)  # a row says that it cannot be read
                    continue
                break
            else:
                stack.pop()

    def _names(self, folder: str, levels: PathPattern, places: frozenset[int]) -> Iterator[str]:
        """Names of scans, and of folders with a slash at the end, sorted by their bytes."""
        try:
            entries = os.scandir(folder)
        except OSError as error:
            raise InputError(f"cannot list {folder}: {error.strerror}; name another folder") from error

        def wanted() -> Iterator[str]:
            with entries:
                for entry in entries:
                    name = entry.name
                    below = levels.below(places, name)
                    if not below:
                        continue
                    if is_scan(name, self._ignored) and entry.is_file(follow_symlinks=False):
                        if levels.is_match(below):
                            yield name
                    elif is_ignored(name, self._ignored):
                        self.skipped += 1
                        self.unfinished += 1
                    elif entry.is_dir(follow_symlinks=False):
                        yield name + "/"
                    elif levels.is_match(below):
                        self.skipped += 1

        return sorted_names(wanted())


def oldest_first(refs: Iterable[ScanRef]) -> Iterator[ScanRef]:
    """Yields scans by their modification times, and by their paths where these are the same.

    Args:
        refs: identified scans; sorted by way of temporary files when they are very many.
    """
    # Times before 1970 are below zero. Keys of object storage can have any text in them.
    keys = (f"{ref.mtime_ns + (1 << 63):020d}{ref.path}/{ref.name}/{len(ref.name)}" for ref in refs)
    for key in sorted_names(keys):
        both, _, length = key[20:].rpartition("/")
        start = len(both) - int(length)
        yield ScanRef(both[: start - 1], both[start:])


def _why_not(path: str) -> str:
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return f"cannot look for {path}: {error.strerror}"
    return f"no such file or folder: {path}"


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
