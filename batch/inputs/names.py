"""Names: which are of scans, which are passed over, and which a pattern asks for."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from enum import Enum, auto

IMAGE_SUFFIXES = frozenset(
    {"png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp", "gif", "pbm", "pgm", "ppm", "pnm"}
)
# What file managers, synchronisers and downloads leave about.
IGNORED_NAMES = frozenset({"thumbs.db", "desktop.ini", "@eadir", "__macosx"})
IGNORED_STARTS = (".", "~$")
IGNORED_ENDS = (".part", ".partial", ".crdownload", ".download", ".tmp")

# What has nothing but dots before the last one is a name without a suffix.
_IMAGE = re.compile(rf"[^./][^/]*\.(?:{'|'.join(sorted(IMAGE_SUFFIXES))})\Z", re.IGNORECASE | re.ASCII)


class PassedOver(Enum):
    """What is met and is no scan."""

    OTHER = auto()
    UNFINISHED = auto()
    """Hidden, not whole yet, or to be ignored."""


class PathPattern:
    """What names may be at each level of folders: patterns, or `**` for any number of levels.

    Walking down, a name is at a set of places in the list, as there can be more than one way to match.

    Attributes:
        start: the places of the folder that is searched.
        are_many: whether there is no bound to them.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        self._below_any: dict[frozenset[int], frozenset[int]] = {}  # where the name does not matter
        self.start = self._closed({0})
        self.are_many = "**" in patterns

    def below(self, places: frozenset[int], name: str) -> frozenset[int]:
        """The places of a name in a folder that is at `places`; none if it does not match."""
        if places in self._below_any:
            return self._below_any[places]
        found = set()
        for place in places:
            if place == len(self._patterns):
                continue
            pattern = self._patterns[place]
            if pattern == "**":
                found |= {place, place + 1}
            elif fnmatch.fnmatchcase(name, pattern):
                found.add(place + 1)
        closed = self._closed(found)
        if all(pattern == "**" for place, pattern in enumerate(self._patterns) if place in places):
            self._below_any[places] = closed
        return closed

    def is_match(self, places: frozenset[int]) -> bool:
        """Whether what is there is asked for."""
        return len(self._patterns) in places

    def goes_on(self, places: frozenset[int]) -> bool:
        """Whether something below may be asked for."""
        return any(place < len(self._patterns) for place in places)

    def _closed(self, places: set[int]) -> frozenset[int]:
        """Adds what `**` leads to when it stands for no level, which it cannot as the last."""
        for place, pattern in enumerate(self._patterns[:-1]):
            if pattern == "**" and place in places:
                places.add(place + 1)
        return frozenset(places)


def has_image_suffix(name: str) -> bool:
    """Whether a name says that the file is an image."""
    return _IMAGE.search(name) is not None


def is_scan(name: str, patterns: Sequence[str]) -> bool:
    """Whether a name has an image suffix, and is not passed over; asked of very many.

    Args:
        name: without its folder.
        patterns: the user's own, as of `is_ignored`.
    """
    # What else is passed over has other suffixes, or none.
    return has_image_suffix(name) and not name.startswith(IGNORED_STARTS) and not _is_any(name, patterns)


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Whether a file or folder is passed over: hidden, unfinished, none of the user's, or ignored by them.

    Args:
        name: without its folder.
        patterns: the user's own, as `*-back.png`.
    """
    lower = name.lower()
    return (
        lower.startswith(IGNORED_STARTS)
        or lower.endswith(IGNORED_ENDS)
        or lower in IGNORED_NAMES
        or _is_any(name, patterns)
    )


def _is_any(name: str, patterns: Sequence[str]) -> bool:
    return bool(patterns) and any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
