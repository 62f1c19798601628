"""Batches and their members: looked up together or one by one, the same scans have a row."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch.outbox import batches, settled
from batch.outbox.batches import Batch, State
from batch.outbox.ledger import Ledger
from batch.records import TRANSIENT, After, Outcome, Reason, ScanRef, Status

# Paths in any order, with bytes that are no text; some have a row, others lie between these.
REFS = st.builds(
    lambda path, size_bytes, mtime_ns: ScanRef(path, "x", size_bytes, mtime_ns),
    st.integers(0, 30).map(lambda number: f"/in/{number * 7 % 31}\udcff.png"),
    st.integers(0, 1),
    st.integers(0, 1),
)
OUTCOMES = st.builds(
    lambda ref, reason: Outcome(ref, Status.FAILED if reason else Status.OK, reason),
    REFS,
    st.sampled_from([None, Reason.EMPTY, Reason.UNREADABLE, Reason.CHANGED]),
)

FAILED_ONCE = Outcome(ScanRef("/a", "x", 1), Status.FAILED, Reason.UNREADABLE)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path_factory.mktemp("state"))) as ledger:
        yield ledger


@settings(deadline=None, max_examples=40)
@example([Outcome(ScanRef("/a", "x"), Status.OK), FAILED_ONCE], [FAILED_ONCE.ref, ScanRef("/a", "x")], 2, 1)
@given(st.lists(OUTCOMES), st.lists(REFS, max_size=20), st.integers(1, 3), st.integers(1, 3))
def test_scans_without_a_row(
    ledger: Ledger, rows: list[Outcome], refs: list[ScanRef], attempts: int, max_rows: int
) -> None:
    def is_settled(ref: ScanRef) -> bool:
        reasons = [outcome.reason for outcome in rows if outcome.ref == ref]
        return any(reason not in TRANSIENT for reason in reasons) or len(reasons) >= attempts

    ledger.rollback()  # what a failed example has left
    batches.add_members(ledger, "batch", rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(batches, "MAX_ROWS_PER_PATH", max_rows)
        assert batches.unsettled(ledger, refs, attempts) == [ref for ref in refs if not is_settled(ref)]
    ledger.rollback()


@pytest.mark.parametrize("read", [0, 1, 2])
@pytest.mark.parametrize("found", [0, 1, 2])
def test_an_object_of_another_version_is_new(ledger: Ledger, read: int, found: int) -> None:
    ref = ScanRef("s3://bucket/a.png", "a.png", 9, 7, read)
    batches.add_members(ledger, "batch", [Outcome(ref, Status.OK, sha256="a" * 64)])
    is_new = found != read and 0 not in (found, read)  # a store may give no version
    refs = [ref._replace(inode=found)]
    assert batches.unsettled(ledger, refs) == (refs if is_new else [])
    ledger.rollback()


def test_few_scans_among_many_rows_read_few_rows(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [Outcome(ScanRef(f"/in/{number:04d}", "x", 1), Status.OK) for number in range(2000)]
    batches.add_members(ledger, "batch", rows)
    counts = []
    execute = ledger.execute

    def counting(statement: str, values: Sequence[Any] = ()) -> list[Any]:
        result = execute(statement, values)
        counts.append(len(result))
        return result

    monkeypatch.setattr(ledger, "execute", counting)
    refs = [rows[5].ref, ScanRef("/in/0900x", "x", 1), rows[1990].ref._replace(size_bytes=2)]
    assert batches.unsettled(ledger, refs) == refs[1:]
    assert sum(counts) < 60
    ledger.rollback()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_restored_file_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    ref, digest = ScanRef("/in/a.png", "a.png", 4, 7, 8), hashlib.sha256(b"scan").hexdigest()
    reads: list[str] = []

    def read(path: str) -> str:
        reads.append(path)
        return digest

    monkeypatch.setattr(batches, "digest_if_readable", read)
    with closing(Ledger(tmp_path)) as ledger:
        batches.add_members(ledger, "b1", [Outcome(ref, Status.OK, None, digest)])
        batches.prepare(ledger, Batch("b1", "b1.csv", "", After.LEAVE, State.DISPOSED))
    with closing(Ledger(tmp_path, read_only=read_only)) as ledger:
        for _ in range(2):
            assert batches.unsettled(ledger, [ref._replace(inode=9)]) == []
    assert len(reads) == (2 if read_only else 1)


def test_a_failure_that_may_pass_settles_no_restored_file(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = ScanRef("/in/a.png", "a.png", 4, 7, 8)
    monkeypatch.setattr(batches, "digest_if_readable", lambda _: "5" * 64)
    batches.add_members(ledger, "b1", [Outcome(ref, Status.FAILED, Reason.TIMEOUT, "5" * 64)])
    restored = ref._replace(inode=9)
    assert batches.unsettled(ledger, [restored]) == [restored]
    ledger.rollback()


def test_only_a_published_batch_is_found(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path)) as ledger:
        batch = Batch("b1", "predictions-b1.csv", "0" * 64, After.LEAVE, State.PREPARED)
        batches.add_members(ledger, "b1", [])
        batches.prepare(ledger, batch)
        assert batches.find_published(ledger, "b1") is None
        batches.set_state(ledger, "b1", State.DISPOSED)
        assert batches.find_published(ledger, "b1") == replace(batch, state=State.DISPOSED)


def test_members_come_back_without_their_digits(tmp_path: Path) -> None:
    ref = ScanRef("/in/\udcff.png", "\udcff.png", 1, 2, 3)
    outcomes = [
        Outcome(ref, Status.OK, None, "ab", 7, 0.5),
        Outcome(ref, Status.FAILED, Reason.EMPTY),
    ]
    with closing(Ledger(tmp_path)) as ledger:
        batches.add_members(ledger, "b1", outcomes)
        batches.prepare(ledger, Batch("b1", "b1.csv", "", After.MOVE, State.PREPARED))
        members = list(batches.members(ledger, "b1"))
        assert members == [outcome._replace(label=None, confidence=None) for outcome in outcomes]
        other, left = ref._replace(inode=4), ref._replace(path="/in/left.png")
        batches.add_members(ledger, "b2", [Outcome(left, Status.OK, None, "ab", 7, 0.5)])
        batches.prepare(ledger, Batch("b2", "b2.csv", "", After.LEAVE, State.PREPARED))
        assert batches.not_awaiting_disposal(ledger, [ref, other, left]) == [other, left]
        batches.delete(ledger, "b2")
        batches.delete(ledger, "b1")
        assert (list(batches.members(ledger, "b1")), batches.unfinished(ledger)) == ([], [])


def page(number: int, status: Status, reason: Reason | None = None) -> Outcome:
    return Outcome(ScanRef("/a.pdf", "a.pdf", 9, 9, 9), status, reason, "5" * 64, page=number, pages=4)


def add(folder: Path, *outcomes: Outcome) -> Ledger:
    ledger = Ledger(folder)
    batches.add_members(ledger, "b1", outcomes)
    batches.prepare(
        ledger, Batch("b1", "predictions-20260102T120000Z-b1.csv", "", After.LEAVE, State.DISPOSED)
    )
    return ledger


def test_a_file_of_several_pages_is_one_member(tmp_path: Path) -> None:
    outcomes = [
        page(1, Status.OK),
        page(2, Status.REFUSED, Reason.BLANK),
        page(3, Status.FAILED, Reason.DAMAGED),
        page(4, Status.FAILED, Reason.DAMAGED),
    ]
    with closing(add(tmp_path, *outcomes)) as ledger:
        (member,) = batches.members(ledger, "b1")
        assert (member.status, member.reason, member.page) == (Status.FAILED, Reason.DAMAGED, 3)
        assert batches.pages_of(ledger, "b1") == {
            "/a.pdf": [
                (1, "ok", None),
                (2, "refused", "blank"),
                (3, "failed", "damaged"),
                (4, "failed", "damaged"),
            ]
        }
        assert batches.unsettled(ledger, [member.ref]) == []
        (scan,) = settled.settled_scans(ledger)
        assert scan.pages == tuple(batches.pages_of(ledger, "b1")["/a.pdf"])
        settled.forget_scans(ledger, [scan])
        assert batches.unsettled(ledger, [member.ref]) == [member.ref]
        settled.forget_batches(ledger, [scan.batch])
        assert batches.pages_of(ledger, "b1") == {}


def test_a_failure_that_lasts_stands_for_the_file() -> None:
    pages = [page(1, Status.FAILED, Reason.TIMEOUT), page(2, Status.FAILED, Reason.DAMAGED)]
    assert batches.file_outcome(pages) == pages[1]


@pytest.mark.parametrize("is_all", [True, False])
def test_pages_that_may_pass_are_new_only_if_all_are(tmp_path: Path, is_all: bool) -> None:
    first = page(1, Status.FAILED, Reason.TIMEOUT) if is_all else page(1, Status.OK)
    outcomes = [first, *(page(number, Status.FAILED, Reason.TIMEOUT) for number in (2, 3, 4))]
    with closing(add(tmp_path, *outcomes)) as ledger:
        (member,) = batches.members(ledger, "b1")
        assert (member.status, member.reason) == (Status.FAILED, Reason.TIMEOUT)
        assert batches.unsettled(ledger, [member.ref], attempts=2) == ([member.ref] if is_all else [])
        batches.delete(ledger, "b1")
        assert batches.pages_of(ledger, "b1") == {}
