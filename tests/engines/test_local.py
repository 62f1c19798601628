import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest

from batch.engines import local, pool
from batch.engines.local import Engine
from batch.engines.paged import MAX_LOSSES, PagedScan, PageRequest
from batch.engines.workers import Beat, ScanReader, Worker
from batch.errors import ConfigError, ModelError
from batch.records import TRANSIENT, Outcome, Reason, ScanRef, Status
from fakes import FakeReader, OnePage


def refs(*names: str) -> list[ScanRef]:
    return [ScanRef(name, name) for name in names]


def mapped(
    scans: Iterable[ScanRef], size: int, workers: int, limit_s: float | None = None
) -> Iterator[list[Outcome]]:
    with Engine(FakeReader(), workers, scan_limit_s=limit_s) as engine:
        yield from filter(None, engine.map(scans, size))


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_order_is_that_of_the_scans(workers: int) -> None:
    scans = refs(*(str(number) for number in range(50)))
    chunks = list(mapped(scans, 4, workers))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert max(map(len, chunks)) == 4


@pytest.mark.parametrize(
    ("count", "workers", "processes", "parts"), [(31, 2, 1, 1), (32, 2, 2, 8), (100, 2, 2, 8), (40, 64, 2, 8)]
)
def test_a_single_chunk_has_only_workers_that_are_worth_it(
    count: int, workers: int, processes: int, parts: int, monkeypatch: pytest.MonkeyPatch
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
    chunks = list(mapped(scans, 256, workers))
    assert [outcome.ref for chunk in chunks for outcome in chunk] == scans
    assert (most, len(chunks)) == ([processes], parts)


@pytest.mark.parametrize(("count", "is_read_here"), [(15, True), (16, False)])
def test_a_process_that_cannot_fork_reads_a_few_scans_itself(
    count: int, is_read_here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "can_fork", lambda: False)
    with Engine(OwnProcess(), 1) as engine:
        (outcomes,) = engine.map(refs(*(str(number) for number in range(count))), 256)
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
            (outcomes,) = filter(None, engine.map(refs(*names), 10))
            assert [outcome.ref.name for outcome in outcomes] == names
            assert [outcome.status for outcome in outcomes] == [
                "failed" if name == "crash" else "ok" for name in names
            ]


def test_apart_this_process_reads_nothing() -> None:
    with Engine(OwnProcess(), 1, apart=True) as engine:
        (outcomes,) = engine.map(refs("a"), 10)
    assert outcomes[0].sha256 != str(os.getpid())


class OwnProcess(OnePage):
    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        return [Outcome(ref, Status.OK, sha256=str(os.getpid())) for ref in refs]


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
        for _ in engine.map(refs("a", *["hang"] * 20), 1):  # which never end by themselves
            raise KeyboardInterrupt
    assert not multiprocessing.active_children()


def test_workers_may_be_started_early_and_stay() -> None:
    with Engine(FakeReader(), 2) as engine:
        engine.start()
        for _ in range(2):
            chunks = list(filter(None, engine.map(refs("a", "b", "crash", "c"), 1)))
            assert [len(chunk) for chunk in chunks] == [1, 1, 1, 1]


# Scans that hang, and workers that are stopped

LIMIT_S = 0.5


@pytest.mark.parametrize(
    ("trouble", "workers", "places"),
    [("hang", 1, [0]), ("hang", 2, [7, 18]), ("stop", 1, [8]), ("stop", 2, [19])],
)
def test_a_scan_that_hangs_costs_no_other_row(trouble: str, workers: int, places: list[int]) -> None:
    names = [trouble if number in places else str(number) for number in range(20)]
    outcomes = [outcome for chunk in mapped(refs(*names), 7, workers, LIMIT_S) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == names
    for outcome in outcomes:
        expected = ("failed", "timeout", None) if outcome.ref.name == trouble else ("ok", None, 7)
        assert (outcome.status, outcome.reason, outcome.label) == expected
    assert not multiprocessing.active_children()


def test_apart_no_scan_can_hang_this_process() -> None:
    with Engine(FakeReader(), 1, scan_limit_s=LIMIT_S, apart=True) as engine:
        engine.start()
        for names in (["hang"], ["a", "stop", "b"], ["crash", "hang"]):
            (outcomes,) = filter(None, engine.map(refs(*names), 10))
            assert [outcome.reason for outcome in outcomes] == [
                {"hang": "timeout", "stop": "timeout", "crash": "worker_crashed"}.get(name) for name in names
            ]


def test_each_loss_of_a_worker_gives_a_sign_of_life() -> None:
    """A service with many scans that hang must say that it lives."""
    with Engine(FakeReader(), 1, scan_limit_s=LIMIT_S / 5) as engine:
        sizes = [len(outcomes) for outcomes in engine.map(refs("hang", "hang", "hang"), 10)]
    assert sizes == [0, 0, 0, 0, 3]


def test_a_worker_that_somebody_stops_costs_no_row() -> None:
    with Engine(FakeReader(), 2, scan_limit_s=LIMIT_S) as engine:
        engine.start()
        chunks = engine.map(refs(*(str(number) for number in range(200))), 1)
        answers = [next(chunks) for _ in range(10)]
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGSTOP)
        answers += list(chunks)
    outcomes = [outcome for chunk in answers for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == [str(number) for number in range(200)]
    assert {outcome.status for outcome in outcomes} == {"ok"}


def test_many_scans_may_take_longer_than_the_limit_of_one() -> None:
    with Engine(Slow(), 1, scan_limit_s=LIMIT_S) as engine:
        (outcomes,) = engine.map(refs(*(str(number) for number in range(15))), 100)
        processes = {outcome.sha256 for outcome in outcomes}
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert len(processes) == 1


class Slow(OnePage):
    """A reader that takes a tenth of the limit for each scan, and says which process it was in."""

    def __call__(self, refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
        for _ in refs:
            beat()
            threading.Event().wait(LIMIT_S / 10)
        return [Outcome(ref, Status.OK, sha256=str(os.getpid())) for ref in refs]


def test_time_in_which_nobody_waits_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that sleeps must not cost scans: the clock jumps by a day at each look."""
    clock = iter(range(0, 10**9, 86_400))
    monkeypatch.setattr(pool, "monotonic", lambda: float(next(clock)))
    assert {o.status for chunk in mapped(refs("a", "b", "c"), 1, 2, 3600) for o in chunk} == {"ok"}


# Means that are short


@pytest.mark.parametrize("workers", [0, 1])
def test_too_little_memory_is_no_crash(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    outcomes = [o for chunk in mapped(refs("a", "memory", "c"), 10, workers) for o in chunk]
    assert [outcome.reason for outcome in outcomes] == [None, "no_memory", None]
    assert outcomes[1].reason in TRANSIENT
    assert capfd.readouterr().err == ""


class Large(OnePage):
    """A model that has no room."""

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        raise MemoryError


@pytest.mark.parametrize("workers", [0, 1])
def test_too_little_memory_for_the_model_ends_the_run(workers: int) -> None:
    with Engine(Large(), workers) as engine, pytest.raises(ConfigError, match="fewer --workers"):
        engine.start()


@pytest.mark.parametrize("room", [0, 1])
@pytest.mark.parametrize("error", [BlockingIOError(11, "no more processes"), OSError(24, "too many files")])
def test_without_means_for_its_workers_it_reads_with_fewer(
    room: int, error: OSError, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def limited(reader: ScanReader, **settings: Any) -> Worker:
        if len(multiprocessing.active_children()) >= room:
            raise error
        return Worker(reader, **settings)

    monkeypatch.setattr(pool, "Worker", limited)
    names = [str(number) for number in range(50)]
    with Engine(FakeReader(), 3) as engine:
        engine.start()
        for _ in range(2):
            assert [o.ref.name for chunk in engine.map(refs(*names), 4) for o in chunk] == names
    how = "with 1 worker" if room else "in this process, which no --scan-timeout protects"
    line = f"digitbox: warning: a worker cannot be started ({error.strerror}): reading {how}\n"
    assert capfd.readouterr().err == line


def test_workers_that_end_before_they_begin(capfd: pytest.CaptureFixture[str]) -> None:
    with Engine(Hostile(os.getpid()), 2) as engine:
        (outcomes,) = filter(None, engine.map(refs("a", "b"), 4))
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    assert capfd.readouterr().err == (
        "digitbox: warning: a worker cannot be started (it ended before it could begin): reading in this "
        "process, which no --scan-timeout protects\n"
    )


@dataclass
class Hostile(OnePage):
    """A reader that ends every process but one."""

    spares: int

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        if os.getpid() != self.spares:
            os._exit(1)
        return [Outcome(ref, Status.OK) for ref in refs]


# Programs that embed digitbox


def test_the_processes_of_the_program_around_it_live_on() -> None:
    child = multiprocessing.get_context("fork").Process(target=signal.pause)
    child.start()
    with Engine(FakeReader(), 2, scan_limit_s=LIMIT_S) as engine:
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
            (outcomes,) = engine.map(refs("a"), 1)
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


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("count", [2, 64, 65, 200])
def test_every_page_is_an_outcome_in_order(count: int, workers: int) -> None:
    names = ["a", f"{count}-pages", "b"]
    with Engine(FakeReader(), workers) as engine:
        outcomes = [outcome for chunk in engine.map(refs(*names), 2) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == ["a", *[names[1]] * count, "b"]
    assert [outcome.page for outcome in outcomes] == [0, *range(1, count + 1), 0]
    assert {outcome.pages for outcome in outcomes[1:-1]} == {count}


@pytest.mark.parametrize("deed", ["crash", "hang", "bug", "memory"])
@pytest.mark.parametrize(("count", "place"), [(5, 1), (5, 3), (5, 5), (100, 1), (100, 47), (100, 100)])
def test_a_page_that_ends_its_worker_costs_no_other_page(count: int, place: int, deed: str) -> None:
    name = f"{count}-pages-{deed}-at-{place}"
    limit_s = LIMIT_S if deed == "hang" else None  # on a busy machine, a limit costs other pages, too
    with Engine(FakeReader(), 1, scan_limit_s=limit_s) as engine:
        outcomes = [outcome for chunk in engine.map(refs("a", name, "b"), 3) for outcome in chunk]
    reasons = {"crash": "worker_crashed", "hang": "timeout", "bug": "worker_crashed", "memory": "no_memory"}
    assert [outcome.page for outcome in outcomes] == [0, *range(1, count + 1), 0]
    failed = [(outcome.page, outcome.reason) for outcome in outcomes if outcome.status is Status.FAILED]
    assert failed == [(place, reasons[deed])]


def test_a_scan_of_many_pages_can_be_left_for_later() -> None:
    with Engine(FakeReader(), 1) as engine:
        (chunk,) = engine.map(refs("a", "100-pages", "b"), 3, reads_long=False)
        assert [outcome.reason for outcome in chunk] == [None, "several_pages", None]
        steps = list(engine.read_long(chunk[1].ref))
    assert [len(step) for step in steps if step] == [100]


def test_pages_of_a_scan_that_changes_meanwhile_are_dropped() -> None:
    scan = PagedScan(ScanRef("a", "a"))
    scan.add([Outcome(ScanRef("a", "a"), Status.REFUSED, Reason.SEVERAL_PAGES, "1", pages=3)])
    scan.add([Outcome(ScanRef("a", "a"), Status.OK, None, "1", page=1, pages=3)])
    scan.lose(Reason.WORKER_CRASHED)
    assert scan.request == PageRequest(ScanRef("a", "a"), 2, one_by_one=True)
    scan.add([Outcome(ScanRef("a", "a"), Status.OK, None, "2", page=2, pages=3)])
    assert [(outcome.page, outcome.reason) for outcome in scan.outcomes] == [(0, "changed")]
    assert scan.is_done


def test_a_scan_that_costs_too_many_workers_is_given_up() -> None:
    scan = PagedScan(ScanRef("a", "a"))
    scan.add([Outcome(ScanRef("a", "a"), Status.REFUSED, Reason.SEVERAL_PAGES, "1", pages=500)])
    losses = 0
    while not scan.is_done:
        scan.lose(Reason.TIMEOUT)
        losses += 1
    assert losses == MAX_LOSSES + 1
    assert [outcome.page for outcome in scan.outcomes] == list(range(1, 501))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_reader_that_gives_too_few_pages_ends(workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    with Engine(Forgetful(), workers) as engine:
        outcomes = [outcome for chunk in engine.map(refs("100-pages"), 1) for outcome in chunk]
    assert [outcome.page for outcome in outcomes] == list(range(1, 101))
    assert {outcome.reason for outcome in outcomes[10:]} == {"worker_crashed"}
    assert capfd.readouterr().err == ""


class Forgetful(FakeReader):
    """A reader that ends after some pages, whatever it has announced."""

    def pages(
        self, ref: ScanRef, first: int = 1, *, one_by_one: bool = False, beat: Beat = lambda: None
    ) -> Iterator[list[Outcome]]:
        for outcomes in super().pages(ref, first, one_by_one=one_by_one, beat=beat):
            if outcomes[0].page > 10:
                return
            yield outcomes
