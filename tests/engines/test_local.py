import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from batch.engines import local, pool
from batch.engines.local import Engine
from batch.errors import ModelError
from batch.records import Beat, Outcome, ScanRef, Status
from engine_runs import mapped, refs
from fakes import FakeReader, OnePage, OwnProcess


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_order_is_that_of_the_scans(workers: int) -> None:
    scans = refs(*(str(number) for number in range(50)))
    chunks = list(mapped(scans, 4, workers))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert max(map(len, chunks)) == 4


@pytest.mark.parametrize(
    ("count", "workers", "processes", "parts"), [(31, 2, 1, 1), (32, 2, 2, 8), (100, 2, 2, 8), (40, 64, 2, 8)]
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_single_chunk_has_only_workers_that_are_worth_it(
    count: int, workers: int, processes: int, parts: int, apart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = refs(*(str(number) for number in range(count)))
    most: list[int] = []
    read = pool.Pool.read

    def noting(
        self: pool.Pool, chunks: Iterator[list[ScanRef]], workers: int, **options: Any
    ) -> Iterator[list[Outcome]]:
        most.append(workers)
        return read(self, chunks, workers, **options)

    monkeypatch.setattr(pool.Pool, "read", noting)
    with Engine(FakeReader(), workers, apart=apart) as engine:
        chunks = list(filter(None, engine.map(scans, 256)))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert (most, len(chunks)) == ([processes], parts)


@pytest.mark.parametrize(("count", "is_read_here"), [(15, True), (16, False)])
def test_a_process_that_cannot_fork_reads_a_few_scans_itself(
    count: int, is_read_here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "can_fork", lambda: False)
    with Engine(OwnProcess(), 1) as engine:
        (outcomes,) = filter(None, engine.map(refs(*(str(number) for number in range(count))), 256))
    assert {outcome.sha256 == str(os.getpid()) for outcome in outcomes} == {is_read_here}


def test_nothing_to_read() -> None:
    assert list(mapped([], 4, 2)) == []


def test_scans_are_taken_no_faster_than_they_are_read() -> None:
    taken = []

    def endless() -> Iterator[ScanRef]:
        while True:
            taken.append(1)
            yield ScanRef("a", "a")

    chunks = mapped(endless(), 10, 2)
    for _ in range(5):
        next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert len(taken) < 200


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_scan_that_meets_a_bug_costs_no_other_row(workers: int) -> None:
    names = ["a", "b", "bug", "d", "e", "bug", "bug"]
    outcomes = [outcome for chunk in mapped(refs(*names), 4, workers) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == names
    assert [outcome.reason == "worker_crashed" for outcome in outcomes] == [name == "bug" for name in names]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_bug_that_no_scan_is_to_blame_for_ends_the_run(workers: int) -> None:
    with Engine(Broken(), workers) as engine, pytest.raises(ZeroDivisionError):
        list(engine.map(refs("a", "b", "c"), 1))


class Broken(OnePage):
    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        raise ZeroDivisionError


def test_a_model_that_cannot_be_loaded_shows_at_the_start() -> None:
    with Engine(Broken(), 1, apart=True) as engine, pytest.raises(ZeroDivisionError):
        engine.start()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_errors_of_the_run_arrive_whole(workers: int) -> None:
    with pytest.raises(ModelError, match="the model is gone"):
        list(mapped(refs("a", "b", "model", "c"), 1, workers))


def test_an_interrupted_run_does_not_wait_for_its_workers() -> None:
    with pytest.raises(KeyboardInterrupt), Engine(FakeReader(), 2) as engine:
        for _ in engine.map(refs("a", *["hang"] * 20), 1):  # which never end by themselves
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()


def test_workers_may_be_started_early_and_stay() -> None:
    with Engine(FakeReader(), 2) as engine:
        engine.start()
        for _ in range(2):
            chunks = list(filter(None, engine.map(refs("a", "b", "crash", "c"), 1)))
            assert [len(chunk) for chunk in chunks] == [1, 1, 1, 1]


# Programs that embed digitbox


def test_the_processes_of_the_program_around_it_live_on(scan_limit_s: float) -> None:
    child = multiprocessing.get_context("fork").Process(target=signal.pause)
    child.start()
    with Engine(FakeReader(), 2, scan_limit_s=scan_limit_s) as engine:
        list(engine.map(refs("a", "crash", "hang", "c"), 1))
    assert multiprocessing.active_children() == [child]
    assert child.is_alive()
    child.kill()
    child.join()


def test_the_threads_of_opencv_stay_as_they_were() -> None:
    pixels = np.zeros((2000, 2000), np.float32)
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        cv2.GaussianBlur(pixels, (31, 31), 5)  # OpenCV starts its threads, which do not survive a fork
        with Engine(Blurring(), 1) as engine:
            (outcomes,) = filter(None, engine.map(refs("a"), 1))
        assert (outcomes[0].status, outcomes[0].sha256) == ("ok", "1")
        assert cv2.getNumThreads() == 3
    finally:
        cv2.setNumThreads(before)


class Blurring(OnePage):
    """A reader that uses OpenCV, and says with how many threads."""

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        cv2.GaussianBlur(np.zeros((2000, 2000), np.float32), (31, 31), 5)
        return [Outcome(ref, Status.OK, sha256=str(cv2.getNumThreads())) for ref in refs]


def test_a_daemon_of_multiprocessing_reads_scans_itself() -> None:
    """It may not have processes of its own."""
    with multiprocessing.get_context("fork").Pool(1) as processes:
        assert processes.apply(_read_two) == ["a", "b"]


def _read_two() -> list[str]:
    return [outcome.ref.name for chunk in mapped(refs("a", "b"), 1, 2) for outcome in chunk]
