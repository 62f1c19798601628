"""The search for scans in files, folders and globs, in a stable order and in flat memory."""

from __future__ import annotations

import errno
import functools
import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from batch.errors import InputError, check_means
from batch.inputs.content import has_image_content
from batch.inputs.external_sort import sorted_names
from batch.inputs.names import (
    PathPattern,
    Skipped,
    Why,
    has_image_suffix,
    has_star,
    is_ignored,
    is_scan,
    plain_name,
)
from batch.inputs.overlap import Searches
from batch.locations import Location, absolute, is_kept, is_remote
from batch.records import ScanRef
from batch.storage.disk import inode_of

_NAME_IT = "name what to read, e.g. SCANS/"


class Inputs:
    """The inputs of a run, and an iterator over their scans.

    Each iteration yields one `ScanRef` for every scan, in the same order each time. If two inputs name a
    scan, the first gives it its name. The iteration opens a file only if its suffix does not say what it is,
    and it follows no link except an input that is a link itself. It enters neither the outbox nor, if the
    user does not name them, done/, failed/ and corrected/ of another outbox.

    Attributes:
        skipped: Number of other files and folders that the iteration has met so far.
        show_skipped: Receives each of them; None to show none.

    Args:
        inputs: Files, folders, globs and addresses, as the user wrote them.
        recursive: True to search folders to the bottom.
        outbox: The outbox of the run; it does not count as skipped.
        ignored: Patterns of names that the user wants ignored; see `is_ignored`.
        may_be_empty: Whether a pattern in a folder may match nothing, e.g. as earlier runs moved its scans.
            One without a `*` must match, as it may be the name of a file or folder that is gone.

    Raises:
        InputError: An input is missing, cannot be listed, or matches nothing.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        recursive: bool,
        outbox: Location,
        ignored: Sequence[str] = (),
        *,
        may_be_empty: bool = False,
    ) -> None:
        self._may_be_empty = may_be_empty
        self._inputs, self._ignored, self._outbox = inputs, ignored, outbox
        self._recursive = recursive
        self._levels = PathPattern(["**" if recursive else "*"])
        self.skipped = 0
        self.show_skipped: Callable[[Skipped], object] | None = None
        for path in inputs:
            self._searches = Searches(ignored)
            self._check(path)

    @property
    def folders(self) -> list[Path]:
        """Return the inputs that are folders of this machine, each once."""
        return list({inode_of(path): Path(path) for path in self._inputs if os.path.isdir(path)}.values())

    @property
    def folders_of_files(self) -> list[Path]:
        """Return the folders of this machine in which single files and globs look for scans, each once."""
        found: dict[str, None] = {}
        for path in self._inputs:
            if not is_remote(path) and not os.path.isdir(path):
                is_file = os.path.lexists(path)  # the scan of a link lies in a folder of its own
                folder = os.path.dirname(os.path.realpath(path)) if is_file else _split(path)[0]
                found[os.path.realpath(folder or ".")] = None
        return [Path(folder) for folder in found if os.path.isdir(folder)]

    def __iter__(self) -> Iterator[ScanRef]:
        self.skipped = 0
        is_only = len(self._inputs) == 1
        self._searches = Searches(self._ignored)
        objects: set[str] = set()  # few runs read several addresses
        resolve: Callable[[str], str] = functools.cache(os.path.realpath)  # one string a folder
        for path in self._inputs:
            if is_remote(path):
                for ref in self._remote(path):
                    if is_only or ref.path not in objects:
                        yield ref
                    if not is_only:
                        objects.add(ref.path)
            elif os.path.isdir(path):
                root = os.path.realpath(path)
                yield from self._walk(root, "" if is_only else path, self._levels)
            elif os.path.lexists(path):
                real = os.path.realpath(path)
                # A search passes over a pipe, but one that the user names has a row.
                is_found = os.path.isfile(real) and self._searches.has_scan(real)
                if not is_found and not self._searches.has_file(real):
                    yield ScanRef(real, path, source=resolve(os.path.dirname(path)))
                self._searches.add_file(real)
            else:
                yield from self._glob(path)

    def _check(self, path: str) -> None:
        """Check that an input exists and can be listed."""
        if is_remote(path):
            objects = self._objects(path)
            may_be_empty = self._may_be_empty and has_star(path)
            if glob.has_magic(path) and next(objects, None) is None and not may_be_empty:
                raise InputError(f"nothing matches {path}: check the pattern, and quote it for the shell")
        elif os.path.lexists(path):
            if not os.path.exists(path):
                raise InputError(f"{path} is a link to nothing: name the file or folder itself")
            if os.path.isdir(path) and not os.access(path, os.R_OK | os.X_OK):
                raise InputError(f"cannot list {path}: permission denied; allow it, or name another folder")
        elif glob.has_magic(path):
            if self._may_be_empty and has_star(path) and _has_folder(path):
                return
            self.skipped = 0  # what another input has met says nothing of this one
            if next(self._glob(path), None) is None and not self.skipped:
                if not has_star(path):
                    raise InputError(f"{_why_missing(path)}, and no file matches it as a glob; {_NAME_IT}")
                hint = "/** at its end matches everything in a folder"
                if "[" in path:
                    hint = "write [[] for a [ in a name"
                raise InputError(
                    f"no file matches {path}: check the pattern, and quote it for the shell; {hint}"
                )
        else:
            raise InputError(f"{_why_missing(path)}; {_NAME_IT}")

    def _objects(self, address: str) -> Iterator[ScanRef | Skipped]:
        from batch.inputs import object_store  # imports packages that most runs do not need

        is_only = len(self._inputs) == 1
        return object_store.find_objects(
            address, recursive=self._recursive, is_only=is_only, outbox=self._outbox, ignored=self._ignored
        )

    def _remote(self, address: str) -> Iterator[ScanRef]:
        """Yield the scans of an address, and count the other objects."""
        for result in self._objects(address):
            if isinstance(result, ScanRef):
                yield result
            else:
                self._skip(result)

    def _skip(self, skipped: Skipped) -> None:
        """Count a file or folder that the search passes over, and show it, unless another search has."""
        must_match = skipped.why not in (Why.UNFINISHED, Why.OUTBOX)
        if self._searches.has_skipped(skipped.path, must_match=must_match):
            return
        self.skipped += 1
        if self.show_skipped is not None:
            self.show_skipped(skipped)

    def _glob(self, pattern: str) -> Iterator[ScanRef]:
        """Yield the scans that a pattern matches; `glob.iglob` follows links in circles and has no order."""
        prefix, parts = _split(pattern)
        root = os.path.realpath(prefix or ".")
        if os.path.isdir(root):
            yield from self._walk(root, prefix, PathPattern(parts))

    def _walk(self, root: str, prefix: str, levels: PathPattern) -> Iterator[ScanRef]:
        """Yield the scans in a folder and below it, in the order of their names.

        Args:
            root: Absolute path of the folder; the source of its scans.
            prefix: The folder as the results name it; empty for names that are relative to it.
            levels: Pattern of the paths below the folder.
        """
        # None without an outbox on a disk, or if nothing has made it yet. Then nothing here is the outbox.
        own_outbox = inode_of(self._outbox) if isinstance(self._outbox, Path) else None
        passed: set[str] = set()
        # Folders can be nested deeper than Python's calls, so this is a stack of open folders.
        stack = [
            (
                os.path.join(root, ""),
                prefix and os.path.join(prefix, ""),
                levels.start,
                self._names(root, levels, levels.start),
            )
        ]
        while stack:
            folder, prefix, positions, names = stack[-1]
            for name in names:
                if not name.endswith("/"):
                    if not self._searches.has_scan(folder + name):
                        yield ScanRef(folder + name, prefix + name, -1, 0, 0, root)
                    continue
                path, result_name = folder + name[:-1], prefix + name[:-1]
                below = levels.descend(positions, name[:-1])
                is_image = has_image_suffix(result_name) and levels.is_match(below)
                if is_image and not self._searches.has_scan(path):
                    yield ScanRef(path, result_name, source=root)  # its row says that it is not a file
                if not levels.can_match_below(below):
                    continue
                is_own = own_outbox is not None and inode_of(path) == own_outbox
                # A scan in done/ of another outbox belongs to the run that wrote there; the user may name it.
                is_others = is_kept(path) and inode_of(folder) != own_outbox
                if is_own or (is_others and not levels.is_named(positions, name[:-1])):
                    if not is_own:
                        self._skip(Skipped(path, Why.OUTBOX))
                    passed.add(path)
                    continue
                try:
                    stack.append((folder + name, prefix + name, below, self._names(path, levels, below)))
                except InputError:
                    if not self._searches.has_closed(path):
                        yield ScanRef(path, result_name, source=root)  # its row says that it cannot be read
                    continue
                break
            else:
                stack.pop()
        self._searches.add_folder(root, levels, passed)

    def _names(self, folder: str, levels: PathPattern, positions: frozenset[int]) -> Iterator[str]:
        """Return the names of scans, and of folders with a slash at the end, sorted by their bytes."""
        try:
            entries = os.scandir(folder)
        except OSError as error:
            check_means(error)
            raise InputError(f"cannot list {folder}: {error.strerror}; name another folder") from error

        def matches() -> Iterator[str]:
            with entries:
                for entry in entries:
                    name = entry.name
                    below = levels.descend(positions, name)
                    if not below:
                        continue
                    if is_scan(name, self._ignored) and entry.is_file(follow_symlinks=False):
                        if levels.is_match(below):
                            yield name
                    elif is_ignored(name, self._ignored):
                        self._skip(Skipped(entry.path, Why.UNFINISHED))
                    elif entry.is_dir(follow_symlinks=False):
                        yield name + "/"
                    elif not levels.is_match(below):
                        continue
                    elif has_image_content(entry.path):
                        yield name
                    else:
                        is_file = entry.is_file(follow_symlinks=False)
                        self._skip(Skipped(entry.path, Why.OTHER if is_file else Why.LINK))

        def all_matches() -> Iterator[str]:
            try:
                yield from matches()
            except OSError as error:
                check_means(error)
                raise InputError(f"cannot list {folder} to its end: {error.strerror}; try again") from error

        return sorted_names(all_matches())


def oldest_first(refs: Iterable[ScanRef]) -> Iterator[ScanRef]:
    """Yield scans by their modification times, and those of the same time by their paths and names.

    Args:
        refs: Identified scans. Very many of them are sorted in temporary files; see `sorted_names`.
    """
    # Times before 1970 are negative, so they are shifted. Keys of object storage can hold any text, so the
    # length of the name says where it begins. A run has few sources, so a number stands for each.
    numbers: dict[str, int] = {}
    keys = (
        f"{ref.mtime_ns + (1 << 63):020d}{ref.path}/{ref.name}/{len(ref.name)}"
        f"/{numbers.setdefault(ref.source, len(numbers))}"
        for ref in refs
    )
    sources: list[str] = []
    for key in sorted_names(keys):
        sources = sources or list(numbers)  # the first key comes when all refs have been taken
        path_and_name, length, number = key[20:].rsplit("/", 2)
        start = len(path_and_name) - int(length)
        yield ScanRef(path_and_name[: start - 1], path_and_name[start:], source=sources[int(number)])


def absolute_input(path: str) -> str:
    """Return an input as text that names the same scans in any folder."""
    if is_remote(path) or os.path.isabs(path):
        return path
    is_pattern = glob.has_magic(path) and not os.path.lexists(path)
    folder = absolute(".")
    return str(Path(glob.escape(folder) if is_pattern else folder, path))


def _split(pattern: str) -> tuple[str, list[str]]:
    """Return the plain folder that a pattern begins with, and the patterns of the levels below it.

    The folder ends with a slash, or is empty.
    """
    *folders, name = pattern.split("/")
    root = list(itertools.takewhile(lambda folder: folder is not None, map(plain_name, folders)))
    levels = [*folders[len(root) :], name]
    return "".join(f"{folder}/" for folder in root), [level for level in levels if level]


def _has_folder(pattern: str) -> bool:
    """Return whether the part of a pattern before its last name or its first `**` matches a folder."""
    root, levels = _split(pattern)
    folders = itertools.takewhile(lambda level: level != "**", levels[:-1])
    matches = glob.iglob("/".join([glob.escape(root or "."), *folders]))
    return any(map(os.path.isdir, matches))


def _why_missing(path: str) -> str:
    """Return in words why a path cannot be found."""
    try:
        os.lstat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            return f"cannot look for {path}: {error.strerror}"
    return f"no such file or folder: {path}"
