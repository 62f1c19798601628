"""What a run has on a Ray cluster: the listing, as it is read, and workers."""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from batch import __version__
from batch.engines.local import Engine
from batch.errors import ConfigError, RunError
from batch.records import Outcome, ScanRef

NOTHING = pickle.dumps([])
END = b""


def version_error(found: str) -> ConfigError:
    """A machine of the cluster has another digitbox than this one, or none."""
    return ConfigError(
        f"digitbox here is {__version__}, and a machine of the Ray cluster has {found}: "
        f"pip install 'digitbox[ray]=={__version__}' on all"
    )


class Feed:
    """Holds the pieces of the listing that are on their way; an actor on the machine of the run.

    Ray reads the listing anew from its beginning when what had read it is lost. Pieces that have their answer
    are empty then.
    """

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._given = 0
        self._has_more = asyncio.Condition()

    async def put(self, number: int, piece: bytes, given: int) -> None:
        """Takes the next piece, the empty one at the end; so many have their answer."""
        async with self._has_more:
            self._pieces[number] = piece
            for done in range(self._given, given):
                del self._pieces[done]
            self._given = max(self._given, given)
            self._has_more.notify_all()

    async def take(self, number: int) -> bytes:
        """Gives a piece, as soon as there is one."""
        if number < self._given:
            return NOTHING
        async with self._has_more:
            await self._has_more.wait_for(lambda: number in self._pieces)
            return self._pieces[number]


def scan_dataset(feed: Any) -> Any:
    """The listing as a data source of Ray."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Listing(Datasource):  # type: ignore[misc]
        """Paths of scans, piece by piece."""

        def estimate_inmemory_data_size(self) -> None:
            """Nobody knows."""

        def get_read_tasks(self, *_: object, **__: object) -> list[ReadTask]:
            """One, since there is one listing."""
            return [ReadTask(partial(_rows, feed), BlockMetadata(None, None, None, None))]

    return Listing()


def _rows(feed: Any) -> Iterator[Any]:
    import pyarrow
    import ray

    for number in itertools.count():
        piece = ray.get(feed.take.remote(number))
        if piece == END:
            return
        yield pyarrow.table({"number": [number], "scans": [piece]})


class Worker:
    """Reads pieces of the listing; an actor.

    The scans are read in a process of its own, by the engine of a single machine: what a scan does to that,
    Ray need not know of. Ray would have others read it again and again, and kill them one after the other.

    Args:
        version: of the digitbox that began the run.
        reader: reads scans, and has its model with it; pickled.
        folder: that relative paths begin at.
        size: scans that the model sees at a time.
    """

    def __init__(self, version: str, reader: bytes, folder: str, size: int) -> None:
        self._error: RunError | None = None
        self._size = size
        try:
            if version != __version__:
                raise version_error(f"version {__version__}")
            with suppress(OSError):  # absolute paths need no folder
                os.chdir(folder)
            own = pickle.loads(reader)  # noqa: S301  # the run's
            # Ray has threads in this process that Python does not know of.
            self._engine = Engine(own, 1, apart=True, forks=False)
            self._engine.start()
        except RunError as error:
            self._error = error

    def __call__(self, rows: Any) -> Any:
        """Reads the piece of one row; the answer to it is an error when the worker could not begin."""
        import pyarrow

        (number,), (piece,) = rows["number"].to_pylist(), rows["scans"].to_pylist()
        answer: RunError | list[Outcome]
        try:
            answer = self._read(pickle.loads(piece))  # noqa: S301  # the run's
        except RunError as error:
            answer = error
        return pyarrow.table(
            {"number": [number], "node": [socket.gethostname()], "answer": [pickle.dumps(answer)]}
        )

    def _read(self, piece: list[ScanRef]) -> list[Outcome]:
        if self._error is not None:
            raise self._error
        return [outcome for part in self._engine.map(piece, self._size) for outcome in part]
