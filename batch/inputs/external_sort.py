"""Sorting of very many names in flat memory: a merge sort with runs in temporary files."""

from __future__ import annotations

import itertools
import os
import tempfile
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO

from batch.errors import InputError

RUN_LENGTH = 50_000  # names sorted in memory at a time
BLOCK_BYTES = 1 << 14  # of each temporary file that digitbox holds in memory

# A block has thousands of names, joined and split together. One by one, they would take longer than to sort.
_Block = list[bytes]


def sorted_names(names: Iterable[str]) -> Iterator[str]:
    """Yield names sorted by their bytes, by an external merge sort.

    Args:
        names: Names without null bytes. `RUN_LENGTH` of them or more go through temporary files.

    Raises:
        InputError: A temporary file cannot be written.
    """
    unsorted = iter(names)
    runs: list[Iterator[_Block]] = []
    while run := list(itertools.islice(unsorted, RUN_LENGTH)):
        block = sorted(os.fsencode("\0".join(run)).split(b"\0"))
        runs.append(_spill(block) if len(run) == RUN_LENGTH else iter([block]))
    for block in _merge(runs):
        yield from os.fsdecode(b"\0".join(block)).split("\0")


def _merge(runs: list[Iterator[_Block]]) -> Iterator[_Block]:
    """Yield blocks in order, from runs whose own blocks are in order."""
    heads = [(next(run), run) for run in runs]
    while heads:
        # All later names of a run come after the last name of its block, so names up to `end` are complete.
        end = min(block[-1] for block, _ in heads)
        merged, next_heads = [], []
        for block, run in heads:
            count = bisect_right(block, end)
            merged += block[:count]
            if remainder := block[count:] or next(run, []):
                next_heads.append((remainder, run))
        yield sorted(merged)
        heads = next_heads


def _spill(block: _Block) -> Iterator[_Block]:
    """Write a block to a temporary file, and return the iterator that reads the file back."""
    try:
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(prefix="digitbox-"))
            file.write(b"\0".join(block))
            file.seek(0)
            opened.pop_all()  # `_read_back` closes the file
    except OSError as error:
        raise InputError(
            f"cannot sort the names in a temporary file: {error.strerror}; set TMPDIR to a folder with room"
        ) from error
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[_Block]:
    """Yield the names of a temporary file in blocks of about `BLOCK_BYTES`, and close it."""
    last = b""  # the name at the end of a block, which may go on in the next block
    with file:
        while data := file.read(BLOCK_BYTES):
            *block, last = (last + data).split(b"\0")
            if block:
                yield block
    yield [last]
