"""Worker processes that render scenes while the networks train."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import cv2
import numpy as np

from batch.training.look.records import RECORD, RecordMaker, Records
from batch.training.look.scenes import Renderer
from batch.training.look.sources import Sources, load

NICENESS = 5  # the training itself goes first
MAX_WORKERS = 1000
MAX_STARTS = 1000
CALIBRATION_WORKER = 999  # renders what the ranges of the activations are taken from; no worker has its seed


def seed_of(seed: int, start: int, worker: int) -> int:
    """Return the seed of a worker's scenes; each start of a training has seeds of its own.

    Args:
        seed: Seed of the training.
        start: How many times the training was started before, below MAX_STARTS.
        worker: Number of the worker, below MAX_WORKERS.
    """
    return (seed * MAX_STARTS + start) * MAX_WORKERS + worker


Work = Callable[[Path, int, int, Connection], None]
"""Renders chunks until the training ends: packed data sets, seed, size of a chunk, where to send them."""


class Farm:
    """Renders scenes in worker processes, each one chunk ahead.

    The chunks come in the order of the workers, so that the same start of a training sees the same scenes.
    A worker ends when the training does, even if the training is killed: its pipe breaks.

    Args:
        packed: File of the packed data sets.
        seed: Seed of the training.
        start: How many times the training was started before.
        workers: Number of processes.
        chunk: Scenes that a worker renders at a time.
        work: What a worker does.
    """

    def __init__(
        self, packed: Path, seed: int, start: int, workers: int, chunk: int, work: Work | None = None
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of TensorFlow may hang
        self._connections: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._next = 0
        for worker in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=work or _work, args=(packed, seed_of(seed, start, worker), chunk, sender), daemon=True
            )
            process.start()
            sender.close()
            self._connections.append(receiver)
            self._processes.append(process)

    def take(self) -> Records:
        """Return the next chunk of scenes.

        Raises:
            RuntimeError: The worker whose turn it is has ended.
        """
        return np.frombuffer(self.receive(), RECORD)

    def receive(self) -> bytes:
        """Return what the next worker sends.

        Raises:
            RuntimeError: The worker has ended.
        """
        connection = self._connections[self._next]
        self._next = (self._next + 1) % len(self._connections)
        try:
            return connection.recv_bytes()
        except EOFError:
            raise RuntimeError("a process that renders has ended") from None

    def close(self) -> None:
        """Stop the workers."""
        for connection in self._connections:
            connection.close()
        for process in self._processes:
            process.terminate()
            process.join()


def _work(packed: Path, seed: int, chunk: int, sender: Connection) -> None:
    """Render chunks until the training ends."""
    cv2.setNumThreads(1)
    os.nice(NICENESS)
    maker = RecordMaker(Renderer(Sources(load(packed)), seed))
    try:
        while True:
            sender.send_bytes(maker.make(chunk)[0].tobytes())
    except (BrokenPipeError, KeyboardInterrupt):
        pass
