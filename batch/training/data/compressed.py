"""Files that may be compressed by gzip, bzip2 or xz."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import IO, cast

DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""The errors of a file that is damaged, or cannot be read."""


def open_file(path: Path) -> IO[bytes]:
    """Open the content of a file, which tells itself whether it is compressed."""
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(IO[bytes], gzip.open(path))
    if start.startswith(b"BZh"):
        return bz2.open(path)
    return lzma.open(path) if start.startswith(b"\xfd7zXZ") else path.open("rb")
