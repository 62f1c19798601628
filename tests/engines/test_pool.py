import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, resource_tracker, spawn
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from batch.engines import pool, workers
from batch.engines.local import Engine
from batch.engines.workers import ScanReader, Worker
from batch.errors import MeansError
from batch.records import TRANSIENT, Beat, Outcome, ScanRef, Status
from engine_runs import mapped, refs
from fakes import FakeReader, OnePage, OwnProcess
from hanging import note_hanging


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
        (outcomes,) = filter(None, engine.map(refs("a"), 10))
    assert outcomes[0].sha256 != str(os.getpid())


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


def test_a_worker_that_dies_while_it_rests_costs_no_row() -> None:
    with Engine(FakeReader(), 1, apart=True) as engine:
        for name in ("a", "b"):
            (outcomes,) = filter(None, engine.map(refs(name), 10))
            assert [outcome.label for outcome in outcomes] == [7]
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()


@pytest.mark.parametrize(
    ("trouble", "workers", "places"),
    [("hang", 1, [0]), ("hang", 2, [7, 18]), ("stop", 1, [8]), ("stop", 2, [19])],
)
def test_a_scan_that_hangs_costs_no_other_row(
    trouble: str, workers: int, places: list[int], scan_limit_s: float
) -> None:
    names = [trouble if number in places else str(number) for number in range(20)]
    outcomes = [outcome for chunk in mapped(refs(*names), 7, workers, scan_limit_s) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == names
    for outcome in outcomes:
        expected = ("failed", "timeout", None) if outcome.ref.name == trouble else ("ok", None, 7)
        assert (outcome.status, outcome.reason, outcome.label) == expected
    assert not multiprocessing.active_children()


def test_apart_no_scan_can_hang_this_process(scan_limit_s: float) -> None:
    with Engine(FakeReader(), 1, scan_limit_s=scan_limit_s, apart=True) as engine:
        engine.start()
        for names in (["hang"], ["a", "stop", "b"], ["crash", "hang"]):
            (outcomes,) = filter(None, engine.map(refs(*names), 10))
            assert [outcome.reason for outcome in outcomes] == [
                {"hang": "timeout", "stop": "timeout", "crash": "worker_crashed"}.get(name) for name in names
            ]


def test_each_loss_of_a_worker_gives_a_sign_of_life(scan_limit_s: float) -> None:
    """A service with many scans that hang must say that it lives."""
    with Engine(FakeReader(), 1, scan_limit_s=scan_limit_s) as engine:
        sizes = [len(outcomes) for outcomes in engine.map(refs("hang", "hang", "hang"), 10)]
    assert sizes[-1] == sum(sizes) == 3
    assert sizes.count(0) >= 4  # a slow machine gives more


def test_a_worker_that_somebody_stops_costs_no_row(scan_limit_s: float) -> None:
    with Engine(FakeReader(), 2, scan_limit_s=scan_limit_s) as engine:
        engine.start()
        chunks = engine.map(refs(*(str(number) for number in range(200))), 1)
        answers = [next(chunks) for _ in range(10)]
        for worker in multiprocessing.active_children():
            os.kill(worker.pid or 0, signal.SIGSTOP)
            note_hanging(worker.pid or 0)
        answers += list(chunks)
    outcomes = [outcome for chunk in answers for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == [str(number) for number in range(200)]
    assert {outcome.status for outcome in outcomes} == {"ok"}


def test_many_scans_may_take_longer_than_the_limit_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asks, worker_asks = multiprocessing.Pipe(duplex=False)
    worker_turn, turn = multiprocessing.Pipe(duplex=False)
    time = SlowTime(asks, turn)
    monkeypatch.setattr(pool, "connection", time)
    monkeypatch.setattr(pool, "monotonic", lambda: time.now_s)
    with Engine(Slow(worker_asks, worker_turn), 1, scan_limit_s=(LOOKS + 1) * pool.LISTEN_S) as engine:
        yielded = list(engine.map(refs(*(str(number) for number in range(40))), 100))
    (outcomes,) = filter(None, yielded)
    assert yielded.count([]) > 1  # signs of life
    processes = {outcome.sha256 for outcome in outcomes}
    assert time.now_s == 40 * LOOKS * pool.LISTEN_S
    assert {outcome.status for outcome in outcomes} == {"ok"}
    assert len(processes) == 1


LOOKS = 9  # of the pool at a worker that is silent while it reads a scan


class SlowTime:
    """The time of a pool whose worker takes nearly the limit for each scan."""

    def __init__(self, asks: Connection, turn: Connection) -> None:
        self._asks, self._turn, self._looks = asks, turn, 0
        self.now_s = 0.0

    def wait(self, connections: Sequence[Connection], timeout_s: float) -> list[object]:
        while not self._looks:
            heard = connection.wait([*connections, self._asks])
            if heard != [self._asks]:
                return [one for one in heard if one is not self._asks]
            self._asks.recv()
            self._looks = LOOKS
        self._looks -= 1
        self.now_s += timeout_s
        if not self._looks:
            self._turn.send("go on")
        return []


@dataclass
class Slow(OnePage):
    """A reader that waits for its turn at each scan, and says which process it was in."""

    asks: Connection
    turn: Connection

    def __call__(self, refs: Sequence[ScanRef], beat: Beat) -> list[Outcome]:
        setattr(workers, "BEAT_S", 0.0)  # noqa: B010  # each sign of life goes out
        for _ in refs:
            beat()
            self.asks.send("my turn?")
            self.turn.recv()
        return [Outcome(ref, Status.OK, sha256=str(os.getpid())) for ref in refs]


def test_time_in_which_nobody_waits_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that sleeps must not cost scans: the clock jumps by a day at each look."""
    clock = iter(range(0, 10**9, 86_400))
    monkeypatch.setattr(pool, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(pool.Pool, "_lose", lambda *_: pytest.fail("it lost a worker"))
    waits: list[float] = []

    def wait(connections: list[Any], timeout_s: float) -> list[Any]:
        waits.append(timeout_s)
        return [] if len(waits) == 1 else connection.wait(connections, timeout_s)

    monkeypatch.setattr(pool, "connection", SimpleNamespace(wait=wait))
    assert {o.status for chunk in mapped(refs("a", "b", "c"), 1, 2, 3600) for o in chunk} == {"ok"}


def test_a_scan_in_object_storage_has_more_time(scan_limit_s: float) -> None:
    ((outcome,),) = mapped([ScanRef("s3://bucket/a.png", "hang")], 1, 1, scan_limit_s)
    assert outcome.reason == "timeout"
    assert vars(pool)["monotonic"]() >= scan_limit_s + pool.STORE_PATIENCE_S


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
    with Engine(Large(), workers) as engine, pytest.raises(MeansError, match="fewer --workers") as caught:
        engine.start()
    assert caught.value.exit_code == 2


@dataclass
class ShortOf(OnePage):
    """A reader whose model cannot be loaded while a file is there."""

    file: Path
    error: Exception

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        if not refs and self.file.exists():
            raise self.error
        return [Outcome(ref, Status.OK) for ref in refs]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [MemoryError(), MeansError("too many open files")])
def test_after_a_lack_of_means_new_workers_are_started(
    tmp_path: Path, error: Exception, workers: int
) -> None:
    """A watcher only pauses; a worker that could not begin would hold it up for minutes."""
    names = [str(number) for number in range(50)]
    lack = tmp_path / "lack"
    lack.touch()
    with Engine(ShortOf(lack, error), workers, apart=True) as engine:
        with pytest.raises(MeansError):
            list(engine.map(refs(*names), 4))
        lack.unlink()
        assert [outcome.ref.name for chunk in engine.map(refs(*names), 4) for outcome in chunk] == names


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


def test_an_interrupted_start_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C may come when the process is there and nobody knows it yet; a notebook goes on afterwards."""
    fork = os.fork
    started: list[int] = []

    def interrupted() -> int:
        if process := fork():
            started.append(process)
            raise KeyboardInterrupt
        return 0

    monkeypatch.setattr(os, "fork", interrupted)
    with pytest.raises(KeyboardInterrupt), Engine(FakeReader(), 1) as engine:
        engine.start()
    os.waitpid(started[0], 0)


@pytest.mark.parametrize("script", ["exit 1", 'touch "$HANGING/$$"; exec sleep 100000'])
def test_new_pythons_that_fail_to_start_hold_up_no_run(
    script: str,
    tmp_path: Path,
    scan_limit_s: float,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The model has no room in a pipe, and nobody reads it."""
    resource_tracker.ensure_running()
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(python))
    with Engine(WithModel(bytes(1 << 20)), 1, scan_limit_s=scan_limit_s, apart=True, forks=False) as engine:
        (outcomes,) = filter(None, engine.map(refs("a", "b"), 4))
    assert [outcome.status for outcome in outcomes] == ["ok", "ok"]
    why = f"it ended before it could begin; in a script, {pool.GUARD_ADVICE}"
    assert f"({why}): reading in this process" in capfd.readouterr().err


@dataclass
class WithModel(OnePage):
    """A reader that brings its model along."""

    model: bytes

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        return [Outcome(ref, Status.OK) for ref in refs]


@dataclass
class Hostile(OnePage):
    """A reader that ends every process but one."""

    spares: int

    def __call__(self, refs: Sequence[ScanRef], _: Beat) -> list[Outcome]:
        if os.getpid() != self.spares:
            os._exit(1)
        return [Outcome(ref, Status.OK) for ref in refs]
