"""Finding scans: files, folders and globs, in a stable order and in flat memory."""

from __future__ import annotations

import fnmatch
import glob
import heapq
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from batch.errors import InputError
from batch.records import ScanRef

IMAGE_SUFFIXES = frozenset(
    {"png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "gif", "pbm", "pgm", "ppm", "pnm"}
)
# What file managers, synchronisers and downloads leave about.
IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})
IGNORED_PATTERNS = ("*.part", "*.partial", "*.crdownload", "*.download", "*.tmp", "~$*")

RUN_LENGTH = 50_000  # names sorted in memory at a time


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
        self, inputs: Sequence[str], recursive: bool, outbox: Path, ignored: Sequence[str] = ()
    ) -> None:
        self._inputs = [_input(given) for given in inputs]
        self._ignored = ignored
        self._recursive = recursive
        self._outbox = _identity(outbox)
        self.skipped = self.unfinished = 0

    @property
    def folders(self) -> list[Path]:
        """Those inputs that are folders."""
        return [Path(given) for given in self._inputs if os.path.isdir(given)]

    def __iter__(self) -> Iterator[ScanRef]:
        self.skipped = self.unfinished = 0
        single = len(self._inputs) == 1
        for given in self._inputs:
            if os.path.isdir(given):
                yield from self._folder(os.path.realpath(given), "" if single else given)
            elif os.path.lexists(given):
                yield ScanRef(os.path.realpath(given), given)
            else:
                yield from self._glob(given)

    def _folder(self, root: str, prefix: str) -> Iterator[ScanRef]:
        # A stack of open folders, not a recursion: folders can be nested deeper than Python's calls.
        stack = [(root, prefix, self._names(root))]
        while stack:
            folder, above, names = stack[-1]
            name = next(names, None)
            if name is None:
                stack.pop()
                continue
            is_folder = name.endswith("/")
            path = os.path.join(folder, name.rstrip("/"))
            called = os.path.join(above, name.rstrip("/"))
            if not is_folder:
                yield ScanRef(path, called)
                continue
            if has_image_suffix(path):
                yield ScanRef(path, called)  # a row says that this is no file
            if not self._recursive or _identity(path) == self._outbox:
                continue
            try:
                stack.append((path, called, self._names(path)))
            except InputError:
                yield ScanRef(path, called)  # a row says that it cannot be read

    def _names(self, folder: str) -> Iterator[str]:
        """Names of scans, and of folders with a slash at the end, sorted by their bytes."""
        try:
            entries = os.scandir(folder)
        except OSError as error:
            raise InputError(f"cannot list {folder}: {error.strerror}") from error

        def wanted() -> Iterator[str]:
            with entries:
                for entry in entries:
                    if is_ignored(entry.name, self._ignored):
                        self.skipped += 1
                        self.unfinished += 1
                    elif entry.is_dir(follow_symlinks=False):
                        yield entry.name + "/"
                    elif entry.is_file(follow_symlinks=False) and has_image_suffix(entry.name):
                        yield entry.name
                    else:
                        self.skipped += 1

        return in_order(wanted())

    def _glob(self, pattern: str) -> Iterator[ScanRef]:
        found = False
        for path in in_order(glob.iglob(pattern, recursive=True)):
            found = True
            if os.path.isdir(path):
                continue
            if os.path.isfile(path) and not os.path.islink(path) and has_image_suffix(path):
                yield ScanRef(os.path.abspath(path), path)
            else:
                self.skipped += 1
        if not found:
            raise InputError(f"nothing matches {pattern}: check the pattern, and quote it for the shell")


def in_order(names: Iterable[str]) -> Iterator[str]:
    """Yields names sorted by their bytes; more than `RUN_LENGTH` are sorted by way of temporary files."""
    runs: list[Iterator[bytes]] = []
    run: list[bytes] = []
    for name in names:
        run.append(os.fsencode(name))
        if len(run) == RUN_LENGTH:
            runs.append(_spilled(sorted(run)))
            run = []
    return map(os.fsdecode, heapq.merge(*runs, iter(sorted(run))))


def _spilled(run: list[bytes]) -> Iterator[bytes]:
    file = tempfile.TemporaryFile(prefix="digitbox-")  # noqa: SIM115, closed when it has been read
    file.write(b"\0".join(run))
    file.seek(0)
    return _unspilled(file)


def _unspilled(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    with file:
        while block := file.read(1 << 16):
            *names, rest = (rest + block).split(b"\0")
            yield from names
    yield rest


def identified(ref: ScanRef) -> ScanRef:
    """The scan with what tells it from another file of its name; as it is where there is no file."""
    try:
        found = os.lstat(ref.path)
    except OSError:
        return ref
    return ScanRef(ref.path, ref.name, found.st_size, found.st_mtime_ns, found.st_ino)


def _input(given: str) -> str:
    if os.path.lexists(given):
        if not os.path.exists(given):
            raise InputError(f"{given} is a link to nothing")
        if os.path.isdir(given) and not os.access(given, os.R_OK | os.X_OK):
            raise InputError(f"cannot list {given}: permission denied")
        return given
    if glob.has_magic(given):
        if next(glob.iglob(given, recursive=True), None) is None:
            raise InputError(f"nothing matches {given}: check the pattern, and quote it for the shell")
        return given
    raise InputError(f"no such file or folder: {given}; name what to read, as in: digitbox run SCANS/")


def _identity(path: str | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def has_image_suffix(name: str) -> bool:
    """Whether a name says that the file is an image."""
    return os.path.splitext(name)[1][1:].lower() in IMAGE_SUFFIXES


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file or folder is passed over: hidden, unfinished, none of the user's, or ignored by them.

    Args:
        name: without its folder.
        patterns: the user's own, as `*-back.png`.
    """
    lower = name.lower()
    return (
        name.startswith(".")
        or lower in IGNORED_NAMES
        or any(fnmatch.fnmatchcase(lower, pattern) for pattern in IGNORED_PATTERNS)
        or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )
