"""Keys that tell whether two rows are of the same scan."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping

ScanNames = Mapping[tuple[str, str, str], Collection[str]]
"""By source, file and SHA-256 of a row: each file that rows of the same scan may have."""


def scan_key(file: str, source: str | None, page: int | None, sha256: str | None) -> bytes:
    """Return the key of a scan, 16 bytes: scans are the same if source, file, page and content are."""
    text = f"{file}\0{source or ''}\0{page or ''}\0{sha256 or ''}"
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def short_key(file: str, source: str | None, page: int | None, sha256: str | None) -> str:
    """Return the key of a scan as short text, for a page."""
    return shortened(scan_key(file, source, page, sha256))


def shortened(key: bytes) -> str:
    """Return the short text of a key."""
    return key[:8].hex()


def superseded_keys(
    file: str,
    source: str | None,
    page: int | None,
    sha256: str | None,
    *,
    has_old_files: bool,
    scan_names: ScanNames,
) -> Iterator[bytes]:
    """Yield the key of a row, and those of the rows that give way to it.

    A row may lack its content (the scan vanished, or could not be read), its page, or its source (results of
    older versions). It gives way to any later row that is the same in what it does have. A row also gives
    way to one under another name of the scan.

    Args:
        file: The name in the row.
        source: The source in the row.
        page: The page in the row.
        sha256: The digest in the row.
        has_old_files: True if some rows may lack their source.
        scan_names: The names of scans that have had several.
    """
    for known_source in {source or None, None} if has_old_files else {source}:
        for known_page in {page, None}:
            for known_sha256 in {sha256 or None, None}:
                yield scan_key(file, known_source, known_page, known_sha256)
    for other in scan_names.get((source or "", file, sha256 or ""), ()):
        for known_page in {page, None}:
            yield scan_key(other, source, known_page, sha256)
