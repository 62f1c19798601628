import errno
from collections.abc import Iterator
from typing import Any

import pytest

from batch.engines import pool
from batch.engines.local import Engine
from batch.engines.paged import MAX_LOSSES, PagedScan, PageRequest
from batch.engines.workers import ScanReader, Worker
from batch.records import Beat, Outcome, Reason, ScanRef, Status
from engine_runs import refs
from fakes import FakeReader


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("count", [2, 64, 65, 200])
def test_every_page_is_an_outcome_in_order(count: int, workers: int) -> None:
    names = ["a", f"{count}-pages", "b"]
    with Engine(FakeReader(), workers) as engine:
        outcomes = [outcome for chunk in engine.map(refs(*names), 2) for outcome in chunk]
    assert [outcome.ref.name for outcome in outcomes] == ["a", *[names[1]] * count, "b"]
    assert [outcome.page for outcome in outcomes] == [0, *range(1, count + 1), 0]
    assert {outcome.pages for outcome in outcomes[1:-1]} == {count}


# All places for one deed, and one place of a short and of a long scan for the others: they take the same way.
DEEDS = [
    (count, place, "crash") for count, place in ((5, 1), (5, 3), (5, 5), (100, 1), (100, 47), (100, 100))
]
DEEDS += [(count, place, deed) for deed in ("hang", "bug", "memory") for count, place in ((5, 5), (100, 47))]


@pytest.mark.parametrize(("count", "place", "deed"), DEEDS)
def test_a_page_that_ends_its_worker_costs_no_other_page(
    count: int, place: int, deed: str, scan_limit_s: float
) -> None:
    name = f"{count}-pages-{deed}-at-{place}"
    with Engine(FakeReader(), 1, scan_limit_s=scan_limit_s) as engine:
        outcomes = [outcome for chunk in engine.map(refs("a", name, "b"), 3) for outcome in chunk]
    reasons = {"crash": "worker_crashed", "hang": "timeout", "bug": "worker_crashed", "memory": "no_memory"}
    assert [outcome.page for outcome in outcomes] == [0, *range(1, count + 1), 0]
    failed = [(outcome.page, outcome.reason) for outcome in outcomes if outcome.status is Status.FAILED]
    assert failed == [(place, reasons[deed])]


def test_a_scan_of_many_pages_can_be_left_for_later() -> None:
    with Engine(FakeReader(), 1) as engine:
        (chunk,) = filter(None, engine.map(refs("a", "100-pages", "b"), 3, reads_long=False))
        assert [outcome.reason for outcome in chunk] == [None, "several_pages", None]
        steps = list(engine.read_long(chunk[1].ref))
    assert [len(step) for step in steps if step] == [100]


@pytest.mark.parametrize("size", [1, 3, 4])
def test_a_crash_beside_a_scan_of_many_pages_leaves_it_for_later(size: int) -> None:
    names = ["crash", "100-pages", "3-pages-crash-at-2", "b"]
    with Engine(FakeReader(), 1) as engine:
        chunks = engine.map(refs(*names), size, reads_long=False)
        reasons = [(outcome.page, outcome.reason) for chunk in chunks for outcome in chunk]
    of_pages = [(1, None), (2, "worker_crashed"), (3, None)]
    assert reasons == [(0, "worker_crashed"), (0, "several_pages"), *of_pages, (0, None)]


def test_without_workers_a_scan_that_may_crash_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = iter([Worker])

    def only_one(reader: ScanReader, **settings: Any) -> Worker:
        for worker in workers:
            return worker(reader, **settings)
        raise BlockingIOError(errno.EAGAIN, "no more processes")

    with Engine(FakeReader(), 1) as engine:
        monkeypatch.setattr(pool, "Worker", only_one)
        chunks = list(engine.map(refs("crash", "100-pages"), 2, reads_long=False))
    assert [outcome.reason for chunk in chunks for outcome in chunk] == 2 * ["worker_crashed"]


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
