"""The search for scans in object storage: objects, folders and patterns, in the order of their keys."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence

from batch.errors import InputError
from batch.inputs.names import PathPattern, Skipped, Why, has_image_suffix, is_ignored
from batch.locations import Location, RemoteOutbox
from batch.records import ScanRef
from batch.storage import objects
from batch.storage.object_requests import Entry
from batch.storage.objects import Objects

_LITERAL = re.compile(r"[^*?[]*")
# A null byte ends a name in the temporary files of `external_sort`, and s3fs cuts a key at `?versionId=`.
_UNUSABLE = re.compile(r"\0|\?versionId=")


def find_objects(
    address: str, *, recursive: bool, is_only: bool, outbox: Location, ignored: Sequence[str]
) -> Iterator[ScanRef | Skipped]:
    """Return the scans of an address, with the objects to skip, in the order of the UTF-8 of their keys.

    The call itself fails if there is nothing at the address; the iterator lists the scans as it goes.

    Args:
        address: Address of an object, a folder or a pattern.
        recursive: True to search folders to the bottom.
        is_only: True if this is the only input of the run. Names are relative to the folder then.
        outbox: The outbox of the run, which digitbox never searches.
        ignored: Patterns of names that the user wants ignored; see `is_ignored`.

    Raises:
        InputError: There is nothing at the address, or it cannot be listed.
        MissingExtraError: The package of the store is not installed.
    """
    scheme, _, path = address.partition("://")
    store = objects.objects_of(scheme)
    scan = store.find(address)
    if scan is not None:
        return iter((scan,))
    outbox_prefix = f"{outbox}/" if isinstance(outbox, RemoteOutbox) else None
    folder = path.rstrip("/") + "/"
    has_entries = next(store.entries(folder), None) is not None
    if has_entries or folder.count("/") == 1:  # a bucket may be empty
        levels = PathPattern(["**" if recursive else "*"])
        prefix = "" if is_only else address.rstrip("/") + "/"
        return _Walk(store, f"{scheme}://{folder}", prefix, levels, outbox_prefix, ignored).scans("")
    if not glob.has_magic(path):
        raise InputError(f"nothing is at {address}: name an object, a folder or a pattern")
    parts = path.split("/")
    level = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    root = f"{scheme}://" + "".join(part + "/" for part in parts[:level])
    patterns = [part for part in parts[level:] if part]
    match = _LITERAL.match(patterns[0])
    literal = match[0] if match else ""
    return _Walk(store, root, root, PathPattern(patterns), outbox_prefix, ignored).scans(literal)


class _Walk:
    """A walk through a folder of a store.

    Args:
        store: The store that has the folder.
        root: Address of the folder, with a slash at its end.
        prefix: The folder as the results name it, with a slash at its end; or empty.
        levels: Pattern of the paths below the folder.
        outbox_prefix: Address of the outbox, with a slash at its end; None for an outbox on a disk.
        ignored: Patterns of names that the user wants ignored.
    """

    def __init__(
        self,
        store: Objects,
        root: str,
        prefix: str,
        levels: PathPattern,
        outbox_prefix: str | None,
        ignored: Sequence[str],
    ) -> None:
        self._store, self._root, self._prefix = store, root, prefix
        self._source = root.rstrip("/")
        self._levels, self._outbox_prefix, self._ignored = levels, outbox_prefix, ignored
        self._folder, self._positions = "", levels.start  # of the last scan; the next is mostly in the same
        self._last_ignored = ""  # the ignored folder that was counted last

    def scans(self, literal: str) -> Iterator[ScanRef | Skipped]:
        """Yield the scans in the root and below it.

        Args:
            literal: Beginning of the names in the root; the store lists no others.
        """
        root = self._root.partition("://")[2]
        key = root.partition("/")[2]
        is_deep = self._store.lists_deep and self._levels.is_deep
        # Folders can be nested deeper than Python's calls, so this is a stack of open listings.
        stack = [self._store.entries(root, literal, deep=is_deep)]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
                continue
            name = entry.key.removeprefix(key)
            is_folder = name.endswith("/")
            if not name or (is_deep and is_folder):  # an object that stands for a folder
                continue
            if self._outbox_prefix is not None and (self._root + name).startswith(self._outbox_prefix):
                continue
            folder, _, last = name.removesuffix("/").rpartition("/")
            is_newly_ignored, positions = self._enter(folder)
            if is_newly_ignored:
                yield Skipped(f"{self._root}{folder}", Why.UNFINISHED)
            below = self._levels.descend(positions, last) if positions else frozenset()
            if not below:
                continue
            if self._is_ignored(last):
                yield Skipped(self._root + name, Why.UNFINISHED)
            elif is_folder:
                if self._levels.can_match_below(below):
                    stack.append(self._store.entries(root + name))
            elif self._levels.is_match(below):
                is_scan = has_image_suffix(last)
                yield self._scan(entry, name) if is_scan else Skipped(self._root + name, Why.OTHER)

    def _enter(self, folder: str) -> tuple[bool, frozenset[int]]:
        """Go to the folder of an entry.

        Args:
            folder: Path below the root, without a slash at its end.

        Returns:
            Whether it is in an ignored folder that was not counted before, and its positions in `levels`; no
            positions if it cannot match.
        """
        if folder == self._folder:
            return False, self._positions
        positions, is_newly_ignored, path = self._levels.start, False, ""
        for name in folder.split("/") if folder else ():
            path += name + "/"
            positions = self._levels.descend(positions, name)
            if positions and self._is_ignored(name):
                is_newly_ignored, self._last_ignored = path != self._last_ignored, path
                positions = frozenset()
            if not positions:
                break
        self._folder, self._positions = folder, positions
        return is_newly_ignored, positions

    def _is_ignored(self, name: str) -> bool:
        return is_ignored(name, self._ignored) or _UNUSABLE.search(name) is not None

    def _scan(self, entry: Entry, name: str) -> ScanRef:
        path, result_name = self._root + name, self._prefix + name
        return ScanRef(path, result_name, entry.size_bytes, entry.mtime_ns, entry.version, self._source)
