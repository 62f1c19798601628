"""The parts of a run that live on a Ray cluster: the feed of scans, and the workers."""

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

NO_SCANS = pickle.dumps([])  # a chunk that has its answer already
END = b""  # comes after the last chunk


def version_error(version: str, found: str) -> ConfigError:
    """Return the error for a machine of the cluster whose digitbox differs from that of the run.

    Args:
        version: The version of the digitbox that began the run.
        found: What that machine has, in words.
    """
    return ConfigError(
        f"digitbox here is {version}, and a machine of the Ray cluster has {found}: "
        f"pip install 'digitbox[ray]=={version}' on all"
    )


class Feed:
    """Actor on the machine of the run that holds the chunks on their way to the workers.

    Ray reads the listing again from its beginning when it has lost the process that read it. The feed then
    gives empty chunks for those that have their answer.
    """

    def __init__(self) -> None:
        self._chunks: dict[int, bytes] = {}
        self._answered = 0
        self._has_more = asyncio.Condition()

    async def put(self, number: int, chunk: bytes, answered: int) -> None:
        """Accept the next chunk, and forget those that have their answer.

        Args:
            number: The place of the chunk in the listing, from 0.
            chunk: The scans, pickled; `END` after the last one.
            answered: Number of chunks that have their answer.
        """
        async with self._has_more:
            self._chunks[number] = chunk
            for old in range(self._answered, answered):
                del self._chunks[old]
            self._answered = max(self._answered, answered)
            self._has_more.notify_all()

    async def take(self, number: int) -> bytes:
        """Return a chunk as soon as it is there."""
        if number < self._answered:
            return NO_SCANS
        async with self._has_more:
            await self._has_more.wait_for(lambda: number in self._chunks)
            return self._chunks[number]


def scan_dataset(feed: Any) -> Any:
    """Return the listing as a data source of Ray Data."""
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask

    class Listing(Datasource):  # type: ignore[misc]
        """Paths of scans, one chunk a row."""

        def estimate_inmemory_data_size(self) -> None:
            """Return None: nobody knows how long the listing is."""

        def get_read_tasks(self, *_: object, **__: object) -> list[ReadTask]:
            """Return one task, since there is one listing."""
            return [ReadTask(partial(_rows, feed), BlockMetadata(None, None, None, None))]

    return Listing()


def _rows(feed: Any) -> Iterator[Any]:
    import pyarrow
    import ray

    for number in itertools.count():
        chunk = ray.get(feed.take.remote(number))
        if chunk == END:
            return
        yield pyarrow.table({"number": [number], "scans": [chunk]})


class Worker:
    """Actor that reads chunks of the listing.

    It reads the scans in a process of its own, with the engine of a single machine. If a scan kills or stops
    that process, Ray does not notice. Ray would give the scan to one worker after the other, and lose them.

    Args:
        version: The version of the digitbox that began the run.
        reader: The reader of scans with its model, pickled.
        folder: The folder that relative paths begin at.
        size: Number of scans that its process gets at a time.
        scan_limit_s: Seconds that it may take for an image; None for no limit.
    """

    def __init__(
        self, version: str, reader: bytes, folder: str, size: int, scan_limit_s: float | None = None
    ) -> None:
        self._error: RunError | None = None
        self._size = size
        try:
            if version != __version__:
                raise version_error(version, f"version {__version__}")
            with suppress(OSError):  # absolute paths need no folder
                os.chdir(folder)
            scan_reader = pickle.loads(reader)  # noqa: S301  # from the process of the run
            # Ray has threads in this process that Python does not know of.
            self._engine = Engine(scan_reader, 1, scan_limit_s=scan_limit_s, apart=True, forks=False)
            self._engine.start()
        except RunError as error:
            self._error = error

    def __call__(self, rows: Any) -> Any:
        """Read the chunk in one row; answer with an error if this worker could not begin.

        Args:
            rows: A pyarrow table with one row, `number` and `scans`.

        Returns:
            A pyarrow table with one row: `number`, `node` and `answer` (outcomes or an error, pickled).
        """
        import pyarrow

        (number,), (chunk,) = rows["number"].to_pylist(), rows["scans"].to_pylist()
        answer: RunError | list[Outcome]
        try:
            answer = self._read(pickle.loads(chunk))  # noqa: S301  # from the process of the run
        except RunError as error:
            answer = error
        return pyarrow.table(
            {"number": [number], "node": [socket.gethostname()], "answer": [pickle.dumps(answer)]}
        )

    def _read(self, chunk: list[ScanRef]) -> list[Outcome]:
        if self._error is not None:
            raise self._error
        return [outcome for outcomes in self._engine.map(chunk, self._size) for outcome in outcomes]
