"""Finding scans in object storage: objects, folders and patterns, in the order of their keys."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence

from batch.errors import InputError
from batch.inputs.names import PassedOver, PathPattern, has_image_suffix, is_ignored
from batch.locations import Location, RemoteOutbox
from batch.records import ScanRef
from batch.storage import objects
from batch.storage.objects import Entry, Objects

_HEAD = re.compile(r"[^*?[]*")
# The first ends names in our temporary files; s3fs cuts at the other.
_UNUSABLE = re.compile(r"\0|\?versionId=")


def find_objects(
    given: str, *, recursive: bool, is_only: bool, outbox: Location, ignored: Sequence[str]
) -> Iterator[ScanRef | PassedOver]:
    """The scans of an address, with what is passed over, in the order of the UTF-8 of their keys.

    That there is such an address is found out at once, the scans are listed as they are asked for.

    Args:
        given: address of an object, a folder or a pattern.
        recursive: whether folders are searched to the bottom.
        is_only: whether it is the only input: then names are relative to the folder.
        outbox: is never searched.
        ignored: patterns of names to pass over, besides those of unfinished and hidden files.

    Raises:
        InputError: there is no such thing, or it cannot be listed.
        MissingExtraError: what the store needs is not installed.
    """
    scheme, _, path = given.partition("://")
    store = objects.objects_of(scheme)
    scan = store.find(given)
    if scan is not None:
        return iter((scan,))
    shunned = f"{outbox}/" if isinstance(outbox, RemoteOutbox) else None
    folder = path.rstrip("/") + "/"
    is_there = next(store.entries(folder), None) is not None
    if is_there or folder.count("/") == 1:  # a bucket may be empty
        levels = PathPattern(["**" if recursive else "*"])
        called = "" if is_only else given.rstrip("/") + "/"
        return _Walk(store, f"{scheme}://{folder}", called, levels, shunned, ignored).scans("")
    if not glob.has_magic(path):
        raise InputError(f"nothing is at {given}: name an object, a folder or a pattern")
    parts = path.split("/")
    level = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    above = f"{scheme}://" + "".join(part + "/" for part in parts[:level])
    patterns = [part for part in parts[level:] if part]
    head = _HEAD.match(patterns[0])
    return _Walk(store, above, above, PathPattern(patterns), shunned, ignored).scans(head[0] if head else "")


class _Walk:
    """A walk through a folder.

    Args:
        store: that has it.
        root: address of the folder, with a slash at its end.
        called: what its name is in the results, with a slash at the end; or empty.
        levels: which names are asked for.
        shunned: address of the outbox, with a slash at its end; None where it is on a disk.
        ignored: the user's patterns.
    """

    def __init__(
        self,
        store: Objects,
        root: str,
        called: str,
        levels: PathPattern,
        shunned: str | None,
        ignored: Sequence[str],
    ) -> None:
        self._store, self._root, self._called = store, root, called
        self._levels, self._shunned, self._ignored = levels, shunned, ignored
        self._folder, self._places = "", levels.start  # of the last scan: the next one mostly is beside it
        self._hidden = ""

    def scans(self, head: str) -> Iterator[ScanRef | PassedOver]:
        """Yields what is in the root, and below it, of names that begin so."""
        root = self._root.partition("://")[2]
        key = root.partition("/")[2]
        is_deep = self._store.lists_deep and self._levels.are_many
        # A stack of open listings, not a recursion: folders can be nested deeper than Python's calls.
        stack = [self._store.entries(root, head, deep=is_deep)]
        while stack:
            entry = next(stack[-1], None)
            if entry is None:
                stack.pop()
                continue
            name = entry.key.removeprefix(key)
            is_folder = name.endswith("/")
            if not name or (is_deep and is_folder):  # objects that stand for folders
                continue
            if self._shunned is not None and (self._root + name).startswith(self._shunned):
                continue
            folder, _, last = name.removesuffix("/").rpartition("/")
            is_met, places = self._reached(folder)
            if is_met:
                yield PassedOver.UNFINISHED
            below = self._levels.below(places, last) if places else frozenset()
            if not below:
                continue
            if self._is_passed_over(last):
                yield PassedOver.UNFINISHED
            elif is_folder:
                if self._levels.goes_on(below):
                    stack.append(self._store.entries(root + name))
            elif self._levels.is_match(below):
                yield self._scan(entry, name) if has_image_suffix(last) else PassedOver.OTHER

    def _reached(self, folder: str) -> tuple[bool, frozenset[int]]:
        """Whether a folder is met that is passed over; and the places of it, none if it is not wanted."""
        if folder == self._folder:
            return False, self._places
        places, is_met, path = self._levels.start, False, ""
        for name in folder.split("/") if folder else ():
            path += name + "/"
            places = self._levels.below(places, name)
            if places and self._is_passed_over(name):
                is_met, self._hidden = path != self._hidden, path
                places = frozenset()
            if not places:
                break
        self._folder, self._places = folder, places
        return is_met, places

    def _is_passed_over(self, name: str) -> bool:
        return is_ignored(name, self._ignored) or _UNUSABLE.search(name) is not None

    def _scan(self, entry: Entry, name: str) -> ScanRef:
        return ScanRef(self._root + name, self._called + name, entry.size_bytes, entry.mtime_ns)
