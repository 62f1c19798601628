import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import pytest

from batch.engines.local import Engine
from batch.errors import ModelError
from batch.records import Outcome, ScanRef, Status
from fakes import FakeReader


def refs(*names: str) -> list[ScanRef]:
    return [ScanRef(name, name) for name in names]


def mapped(scans: Iterable[ScanRef], size: int, workers: int) -> Iterator[list[Outcome]]:
    with Engine(FakeReader(), workers) as engine:
        yield from engine.map(scans, size)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_order_is_that_of_the_scans(workers: int) -> None:
    scans = refs(*(str(number) for number in range(50)))
    chunks = list(mapped(scans, 4, workers))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert max(map(len, chunks)) == 4


@pytest.mark.parametrize(
    ("count", "workers", "processes", "parts"), [(31, 2, 0, 1), (32, 2, 2, 8), (100, 2, 2, 8), (40, 64, 2, 8)]
)
def test_a_single_chunk_has_only_workers_that_are_worth_it(
    count: int, workers: int, processes: int, parts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans = refs(*(str(number) for number in range(count)))
    started = 0
    new_pool = Engine._new_pool

    def counting(engine: Engine, workers: int) -> ProcessPoolExecutor:
        nonlocal started
        started += workers
        return new_pool(engine, workers)

    monkeypatch.setattr(Engine, "_new_pool", counting)
    chunks = list(mapped(scans, 256, workers))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert (started, len(chunks)) == (processes, parts)


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


@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_scan_that_kills_its_worker_costs_no_other_row(place: int) -> None:
    names = [f"{number}" for number in range(20)]
    names[place] = "crash"
    outcomes = [o for chunk in mapped(refs(*names), 3, 2) for o in chunk]
    assert [outcome.ref.name for outcome in outcomes] == names
    for outcome in outcomes:
        if outcome.ref.name == "crash":
            assert (outcome.status, outcome.reason) == ("failed", "worker_crashed")
        else:
            assert outcome.label == 7


@pytest.mark.parametrize("names", [["crash"], ["a", "crash"], ["crash", "crash", "c", "crash"]])
def test_apart_no_scan_can_kill_this_process(names: list[str]) -> None:
    with Engine(FakeReader(), 1, apart=True) as engine:
        engine.start()
        for _ in range(2):
            (outcomes,) = engine.map(refs(*names), 10)
            assert [outcome.ref.name for outcome in outcomes] == names
            assert [outcome.status for outcome in outcomes] == [
                "failed" if name == "crash" else "ok" for name in names
            ]


def test_apart_this_process_reads_nothing() -> None:
    with Engine(OwnProcess(), 1, apart=True) as engine:
        (outcomes,) = engine.map(refs("a"), 10)
    assert outcomes[0].sha256 != str(os.getpid())


class OwnProcess:
    def __call__(self, scans: Sequence[ScanRef]) -> list[Outcome]:
        return [Outcome(ref, Status.OK, sha256=str(os.getpid())) for ref in scans]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_scan_that_meets_a_bug_costs_no_other_row(workers: int) -> None:
    names = ["a", "b", "bug", "d", "e", "bug", "bug"]
    outcomes = [outcome for chunk in mapped(refs(*names), 4, workers) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == names
    assert [outcome.reason == "worker_crashed" for outcome in outcomes] == [name == "bug" for name in names]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_bug_that_no_scan_is_to_blame_for_ends_the_run(workers: int) -> None:
    with Engine(Broken(), workers) as engine, pytest.raises(ZeroDivisionError):
        list(engine.map(refs("a", "b", "c"), 1))


class Broken:
    def __call__(self, scans: Sequence[ScanRef]) -> list[Outcome]:
        raise ZeroDivisionError


def test_a_model_that_cannot_be_loaded_shows_at_the_start() -> None:
    with Engine(Broken(), 1, apart=True) as engine, pytest.raises(ZeroDivisionError):
        engine.start()


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_of_the_run_arrive_whole(workers: int) -> None:
    with pytest.raises(ModelError, match="the model is gone"):
        list(mapped(refs("a", "b", "model", "c"), 1, workers))


def test_a_killed_worker_does_not_block_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold the lock of the queue that the others wait for."""
    with Engine(FakeReader(), 3) as engine:
        engine.start()
        chunks = engine.map(refs(*(str(number) for number in range(400))), 1)
        answers = [next(chunks) for _ in range(10)]
        for worker in multiprocessing.active_children()[:2]:
            os.kill(worker.pid or 0, signal.SIGKILL)
        answers += list(chunks)
    assert [outcome.ref.name for chunk in answers for outcome in chunk] == [
        str(number) for number in range(400)
    ]
    assert not multiprocessing.active_children()


def test_an_interrupted_run_does_not_wait_for_its_workers() -> None:
    with pytest.raises(KeyboardInterrupt), Engine(FakeReader(), 2) as engine:
        for _ in engine.map(refs("a", *["slow"] * 20), 1):  # which never end by themselves
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()


def test_workers_may_be_started_early_and_stay() -> None:
    with Engine(FakeReader(), 2) as engine:
        engine.start()
        for _ in range(2):
            chunks = list(engine.map(refs("a", "b", "crash", "c"), 1))
            assert [len(chunk) for chunk in chunks] == [1, 1, 1, 1]
