"""The searches of a run so far, so that a scan that two inputs name is read once."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from batch.inputs.content import has_image_content
from batch.inputs.names import PathPattern, is_ignored, is_scan


class Searches:
    """The inputs that a run has searched, and the test whether one of them has found a path.

    It keeps no scans, only the inputs: a path answers for itself whether a search has found it.

    Args:
        ignored: Patterns of names that the user wants ignored.
    """

    def __init__(self, ignored: Sequence[str]) -> None:
        self._ignored = ignored
        self._files: set[str] = set()
        self._folders: dict[str, list[tuple[PathPattern, set[str]]]] = {}

    def add_file(self, path: str) -> None:
        """Add a file that the user has named by itself, by its real path."""
        self._files.add(path)

    def has_file(self, path: str) -> bool:
        """Return whether the user has named a file by itself."""
        return path in self._files

    def add_folder(self, root: str, levels: PathPattern, passed: set[str]) -> None:
        """Add a search.

        Args:
            root: Real path of its folder.
            levels: Pattern of the paths in it.
            passed: Real paths of the folders below it that the search passed over, though they match.
        """
        self._folders.setdefault(root, []).append((levels, passed))

    def has_scan(self, path: str) -> bool:
        """Return whether a search has found a scan, or a folder with the name of an image."""
        if path in self._files:
            return True
        if not self._folders:  # the usual run has one input, and asks this of each of a million files
            return False
        if not any(levels.is_match(below) for levels, below in self._reached(path)):
            return False
        name = os.path.basename(path)
        return is_scan(name, self._ignored) or (
            not is_ignored(name, self._ignored) and has_image_content(path)
        )

    def has_closed(self, path: str) -> bool:
        """Return whether a search has found a folder that cannot be listed."""
        return any(levels.can_match_below(below) for levels, below in self._reached(path))

    def has_skipped(self, path: str, *, must_match: bool) -> bool:
        """Return whether a search has skipped, and counted, a file or a folder.

        Args:
            path: Its path.
            must_match: False if a search counts it even where it looks for other names.
        """
        return any(not must_match or levels.is_match(below) for levels, below in self._reached(path))

    def _reached(self, path: str) -> Iterator[tuple[PathPattern, frozenset[int]]]:
        """Yield each search that has come to the folder of a path, with the positions of the path in it."""
        if not self._folders:
            return
        root, between = os.path.dirname(path), list[str]()
        while True:
            for levels, passed in self._folders.get(root, ()):
                below = self._descend(levels, path, root)
                if below and passed.isdisjoint(between):
                    yield levels, below
            if root == os.path.dirname(root):
                return
            between.append(root)
            root = os.path.dirname(root)

    def _descend(self, levels: PathPattern, path: str, root: str) -> frozenset[int]:
        *folders, name = path.removeprefix(os.path.join(root, "")).split("/")
        positions = levels.start
        for folder in folders:
            positions = levels.descend(positions, folder)
            if is_ignored(folder, self._ignored) or not levels.can_match_below(positions):
                return frozenset()
        return levels.descend(positions, name)
