"""The content of files whose names do not say that they are scans."""

from __future__ import annotations

from batch.images import formats
from batch.storage.disk import read_start


def has_image_content(path: str) -> bool:
    """Return whether a file is an image or a document by its first bytes, whatever its name says."""
    return formats.is_known(read_start(path, formats.START_BYTES))
