import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence

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
    pieces = list(mapped(scans, 4, workers))
    assert [outcome.ref for piece in pieces for outcome in piece] == scans
    assert max(map(len, pieces)) == 4


@pytest.mark.parametrize(
    ("count", "workers", "processes", "parts"), [(31, 2, 0, 1), (32, 2, 2, 8), (100, 2, 2, 8), (40, 64, 2, 8)]
)
def test_what_is_less_than_a_piece_has_no_more_workers_than_are_worth_it(
    count: int, workers: int, processes: int, parts: int
) -> None:
    scans = refs(*(str(number) for number in range(count)))
    with Engine(FakeReader(), workers) as engine:
        pieces = list(engine.map(scans, 256))
        assert len(multiprocessing.active_children()) == processes
    assert [outcome.ref for piece in pieces for outcome in piece] == scans
    assert len(pieces) == parts


def test_nothing_to_read() -> None:
    assert list(mapped([], 4, 2)) == []


def test_scans_are_taken_no_faster_than_they_are_read() -> None:
    taken = []

    def endless() -> Iterator[ScanRef]:
        while True:
            taken.append(1)
            yield ScanRef("a", "a")

    pieces = mapped(endless(), 10, 2)
    for _ in range(5):
        next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert len(taken) < 200


@pytest.mark.parametrize("place", [0, 7, 19])
def test_a_scan_that_kills_its_worker_has_its_row_and_the_others_theirs(place: int) -> None:
    names = [f"{number}" for number in range(20)]
    names[place] = "crash"
    outcomes = [o for piece in mapped(refs(*names), 3, 2) for o in piece]
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
def test_a_scan_that_is_a_bug_has_its_row_and_the_others_theirs(workers: int) -> None:
    names = ["a", "b", "bug", "d", "e", "bug", "bug"]
    outcomes = [outcome for piece in mapped(refs(*names), 4, workers) for outcome in piece]
    assert [outcome.ref.name for outcome in outcomes] == names
    assert [outcome.reason == "worker_crashed" for outcome in outcomes] == [name == "bug" for name in names]


@pytest.mark.parametrize("workers", [1, 2])
def test_what_no_scan_is_to_blame_for_ends_the_run(workers: int) -> None:
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


def test_a_worker_that_is_killed_while_the_others_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one may hold the lock of the queue that the others wait for."""
    with Engine(FakeReader(), 3) as engine:
        engine.start()
        pieces = engine.map(refs(*(str(number) for number in range(400))), 1)
        got = [next(pieces) for _ in range(10)]
        for worker in multiprocessing.active_children()[:2]:
            os.kill(worker.pid or 0, signal.SIGKILL)
        got += list(pieces)
    assert [outcome.ref.name for piece in got for outcome in piece] == [str(number) for number in range(400)]
    assert not multiprocessing.active_children()


def test_workers_are_not_waited_for_when_the_run_is_stopped() -> None:
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), Engine(FakeReader(), 2) as engine:
        for _ in engine.map(refs("a", *["slow"] * 20), 1):
            raise KeyboardInterrupt
    assert time.monotonic() - started < 10
    assert not multiprocessing.active_children()


def test_workers_may_be_started_early_and_stay() -> None:
    with Engine(FakeReader(), 2) as engine:
        engine.start()
        for _ in range(2):
            pieces = list(engine.map(refs("a", "b", "crash", "c"), 1))
            assert [len(piece) for piece in pieces] == [1, 1, 1, 1]
