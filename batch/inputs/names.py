"""Rules for names: which are scans, which digitbox skips, and which a pattern matches."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

IMAGE_SUFFIXES = frozenset(
    {"png", "apng", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "bmp", "webp", "gif", "pbm", "pgm", "ppm"}
    | {"pnm", "pdf", "heic", "heif", "hif", "avif", "jp2", "j2k", "j2c", "jpc", "jpf", "jxl"}
)
# Images and documents that digitbox does not read. Each gets a row with the reason.
UNSUPPORTED_SUFFIXES = frozenset(
    {"svg", "psd", "xcf", "ico", "tga", "pcx", "pam", "pfm", "exr", "hdr", "jxr", "dcm", "wmf", "emf"}
    | {"dng", "cr2", "cr3", "nef", "arw", "orf", "rw2", "raf"}
    | {"ps", "eps", "djvu", "djv", "xps", "oxps", "doc", "docx", "odt", "rtf", "ppt", "pptx", "odp"}
)
# File managers, synchronisers and downloads leave files of these names behind. Network storage keeps deleted
# files and snapshots in folders of these names.
IGNORED_NAMES = frozenset(
    {"thumbs.db", "desktop.ini", "@eadir", "__macosx", "#recycle", "@recycle", "$recycle.bin", "@tmp"}
    | {"#snapshot", "system volume information", "lost+found"}
)
IGNORED_STARTS = (".", "~$")
IGNORED_ENDS = (".part", ".partial", ".crdownload", ".download", ".tmp")

# A name with nothing but dots before the last dot has no suffix (e.g. ".png").
_IMAGE = re.compile(
    rf"[^./][^/]*\.(?:{'|'.join(sorted(IMAGE_SUFFIXES | UNSUPPORTED_SUFFIXES))})\Z", re.IGNORECASE | re.ASCII
)

# A character as `glob.escape` writes it, or a wildcard.
_TOKEN = re.compile(r"\[([*?[])\]|[*?]|\[!?+\]?+[^]]*\]")


class Why(StrEnum):
    """The reason why a search passes over a file or a folder."""

    OTHER = "no image or document"
    LINK = "a link or a device"
    UNFINISHED = "hidden, unfinished or ignored"
    OUTBOX = "of another outbox"


class Skipped(NamedTuple):
    """A file that is not a scan, or a folder that digitbox does not enter.

    Attributes:
        path: Its path or address.
        why: Why digitbox skips it.
    """

    path: str
    why: Why

    @property
    def shown(self) -> str:
        """Return the path as the log shows it: a folder that digitbox does not enter ends with a slash."""
        return f"{self.path}/" if self.why is Why.OUTBOX else self.path


class PathPattern:
    """The levels of a pattern of paths: a pattern of names for each level, or `**` for any number of levels.

    It matches as a nondeterministic automaton: on the way down, a path has a set of positions in the list of
    patterns, because it can match in more than one way.

    Attributes:
        start: The positions of the folder where the search begins.
        is_deep: True if a match can be at any depth.

    Args:
        patterns: One for each level, e.g. `["20*", "**", "*.png"]`.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns
        # By positions where only `**` can match: the positions below, which are the same for every name.
        self._below_any_name: dict[frozenset[int], frozenset[int]] = {}
        self.start = self._close({0})
        self.is_deep = "**" in patterns

    def descend(self, positions: frozenset[int], name: str) -> frozenset[int]:
        """Return the positions of a name in a folder that is at `positions`; empty if it does not match."""
        if positions in self._below_any_name:
            return self._below_any_name[positions]
        reached = set()
        for position in positions:
            if position == len(self._patterns):
                continue
            pattern = self._patterns[position]
            if pattern == "**":
                reached |= {position, position + 1}
            elif fnmatch.fnmatchcase(name, pattern):
                reached.add(position + 1)
        closed = self._close(reached)
        if all(pattern == "**" for position, pattern in enumerate(self._patterns) if position in positions):
            self._below_any_name[positions] = closed
        return closed

    def is_named(self, positions: frozenset[int], name: str) -> bool:
        """Return whether the pattern has a name, in a folder that is at `positions`, without wildcards."""
        return any(
            position < len(self._patterns) and plain_name(self._patterns[position]) == name
            for position in positions
        )

    def is_match(self, positions: frozenset[int]) -> bool:
        """Return whether a path at these positions matches the whole pattern."""
        return len(self._patterns) in positions

    def can_match_below(self, positions: frozenset[int]) -> bool:
        """Return whether a path below these positions can match."""
        return any(position < len(self._patterns) for position in positions)

    def _close(self, positions: set[int]) -> frozenset[int]:
        """Add the positions after each `**`, which can stand for no level, except as the last pattern."""
        for position, pattern in enumerate(self._patterns[:-1]):
            if pattern == "**" and position in positions:
                positions.add(position + 1)
        return frozenset(positions)


def plain_name(pattern: str) -> str | None:
    """Return the only name that a pattern matches; None if it has wildcards."""
    if any(token[1] is None for token in _TOKEN.finditer(pattern)):
        return None
    return _TOKEN.sub(r"\1", pattern)


def has_star(pattern: str) -> bool:
    """Return whether a pattern has a `*` as a wildcard; names rarely have one, unlike `?` or `[1]`."""
    return any(token[0] == "*" for token in _TOKEN.finditer(pattern))


def has_image_suffix(name: str) -> bool:
    """Return whether the suffix of a name is that of an image or a document."""
    return _IMAGE.search(name) is not None


def is_scan(name: str, patterns: Sequence[str]) -> bool:
    """Return whether a name is that of an image or a document and not ignored; fast, for very many names.

    Args:
        name: Name of a file, without its folder.
        patterns: Patterns of names that the user wants ignored; see `is_ignored`.
    """
    # All other ignored names have another suffix or none, so `is_ignored` has nothing to add.
    return has_image_suffix(name) and not name.startswith(IGNORED_STARTS) and not _is_any(name, patterns)


def is_ignored(name: str, patterns: Sequence[str]) -> bool:
    """Return whether digitbox ignores a name: hidden, unfinished, of another program, or as the user says.

    Args:
        name: Name of a file or folder, without its own folder.
        patterns: Patterns of names that the user wants ignored, e.g. `*-back.png`.
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
