"""Worker processes that render examples while the networks train."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TypeVar

import cv2

_log = logging.getLogger(__name__)

NICENESS = 5  # the training itself goes first
MAX_WORKERS = 1000
MAX_STARTS = 1000
CALIBRATION_WORKER = 999  # renders what the ranges of the activations are taken from; no worker has its seed
MAX_FAILED = 100  # examples of one renderer; a chance in a million is no fault, a hundred of them are

_Example = TypeVar("_Example")

Render = Callable[[Path, int, int], Iterator[bytes]]
"""Renders chunks without end, from the file of the packed data sets, a seed, and the size of a chunk."""


def seed_of(seed: int, start: int, worker: int) -> int:
    """Return the seed of a worker's examples; each start of a training has seeds of its own.

    Args:
        seed: Seed of the training.
        start: Number of the start, from 1 and below MAX_STARTS; 0 for CALIBRATION_WORKER.
        worker: Number of the worker, below MAX_WORKERS.
    """
    return (seed * MAX_STARTS + start) * MAX_WORKERS + worker


def retrying(render: Callable[[], _Example]) -> Callable[[], _Example]:
    """Return a function that renders an example, and passes over one whose chances cannot be drawn.

    Args:
        render: Renders one example; each call draws other chances.

    Returns:
        The function. It raises RuntimeError if more than MAX_FAILED examples have failed.
    """
    failed = 0

    def render_one() -> _Example:
        nonlocal failed
        while True:
            try:
                return render()
            except (ArithmeticError, ValueError, IndexError, cv2.error) as error:
                failed += 1
                _log.warning("a rendered example failed: %s", error)
                if failed > MAX_FAILED:
                    raise RuntimeError(
                        f"{failed} rendered examples failed, the last with: {error}"
                    ) from error

    return render_one


class Farm:
    """Renders examples in worker processes, each one chunk ahead.

    The chunks come in the order of the workers, so that the same start of a training sees the same examples.
    A worker ends when the training does, even if the training is killed: its pipe breaks.

    Args:
        render: What a worker renders.
        packed: File of the packed data sets.
        seed: Seed of the training.
        start: Number of the start, from 1.
        workers: Number of processes.
        chunk: Examples that a worker renders at a time.
    """

    def __init__(self, render: Render, packed: Path, seed: int, start: int, workers: int, chunk: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of TensorFlow may hang
        self._connections: list[Connection] = []
        self._processes: list[BaseProcess] = []
        self._next = 0
        for worker in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(render, packed, seed_of(seed, start, worker), chunk, sender), daemon=True
            )
            process.start()
            sender.close()
            self._connections.append(receiver)
            self._processes.append(process)

    def receive(self) -> bytes:
        """Return the next chunk.

        Raises:
            RuntimeError: The worker whose turn it is has ended.
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


def _work(render: Render, packed: Path, seed: int, chunk: int, sender: Connection) -> None:
    """Render chunks until the training ends."""
    cv2.setNumThreads(1)
    os.nice(NICENESS)
    try:
        for content in render(packed, seed, chunk):
            sender.send_bytes(content)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
