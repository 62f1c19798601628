"""Very many names in order, in flat memory."""

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
BLOCK_BYTES = 1 << 14  # of each temporary file that are in memory

# Names are joined and split by thousands: to encode or write each by itself takes longer than to sort them.
_Block = list[bytes]


def sorted_names(names: Iterable[str]) -> Iterator[str]:
    """Yields names sorted by their bytes; more than `RUN_LENGTH` are sorted by way of temporary files.

    Raises:
        InputError: there is no room for these.
    """
    left = iter(names)
    runs: list[Iterator[_Block]] = []
    while run := list(itertools.islice(left, RUN_LENGTH)):
        block = sorted(os.fsencode("\0".join(run)).split(b"\0"))
        runs.append(_spilled(block) if len(run) == RUN_LENGTH else iter([block]))
    for block in _merged(runs):
        yield from os.fsdecode(b"\0".join(block)).split("\0")


def _merged(runs: list[Iterator[_Block]]) -> Iterator[_Block]:
    """Blocks in order, of blocks that are in order in each run."""
    ahead = [(next(run), run) for run in runs]
    while ahead:
        # No name that is still to come is below the last one of its run's block.
        end = min(block[-1] for block, _ in ahead)
        some, left = [], []
        for block, run in ahead:
            place = bisect_right(block, end)
            some += block[:place]
            if rest := block[place:] or next(run, []):
                left.append((rest, run))
        yield sorted(some)
        ahead = left


def _spilled(block: _Block) -> Iterator[_Block]:
    try:
        with ExitStack() as opened:
            file = opened.enter_context(tempfile.TemporaryFile(prefix="digitbox-"))
            file.write(b"\0".join(block))
            file.seek(0)
            opened.pop_all()  # closed when it has been read
    except OSError as error:
        raise InputError(
            f"cannot sort so many names in a file: {error.strerror}; set TMPDIR to a folder with room"
        ) from error
    return _unspilled(file)


def _unspilled(file: IO[bytes]) -> Iterator[_Block]:
    rest = b""
    with file:
        while part := file.read(BLOCK_BYTES):
            *block, rest = (rest + part).split(b"\0")
            if block:
                yield block
    yield [rest]
