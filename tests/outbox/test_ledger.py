"""Which scans have a row: however they are looked up, the answer is that of each by itself."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batch.outbox import ledger as ledgers
from batch.outbox.ledger import Ledger
from batch.records import TRANSIENT, Outcome, Reason, ScanRef, Status

# Paths in any order, with bytes that are no text, some of a row and some between them.
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
    with closing(Ledger(tmp_path_factory.mktemp("state"))) as opened:
        yield opened


@settings(deadline=None, max_examples=40)
@example([Outcome(ScanRef("/a", "x"), Status.OK), FAILED_ONCE], [FAILED_ONCE.ref, ScanRef("/a", "x")], 2, 1)
@given(st.lists(OUTCOMES), st.lists(REFS, max_size=20), st.integers(1, 3), st.integers(1, 3))
def test_scans_without_a_row(
    ledger: Ledger, rows: list[Outcome], refs: list[ScanRef], attempts: int, rows_a_path: int
) -> None:
    def is_settled(ref: ScanRef) -> bool:
        reasons = [outcome.reason for outcome in rows if outcome.ref == ref]
        return any(reason not in TRANSIENT for reason in reasons) or len(reasons) >= attempts

    ledger.forget()  # also what an example has left that failed
    ledger.add("batch", rows)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ledgers, "ROWS_A_PATH", rows_a_path)
        assert ledger.unsettled(refs, attempts) == [ref for ref in refs if not is_settled(ref)]


def test_few_scans_among_very_many_rows(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is read than a few rows for each."""
    ledger.forget()
    rows = [Outcome(ScanRef(f"/in/{number:04d}", "x", 1), Status.OK) for number in range(2000)]
    ledger.add("batch", rows)
    counts = []
    execute = ledger.execute

    def counting(statement: str, values: Sequence[Any]) -> list[Any]:
        found = execute(statement, values)
        counts.append(len(found))
        return found

    monkeypatch.setattr(ledger, "execute", counting)
    asked = [rows[5].ref, ScanRef("/in/0900x", "x", 1), rows[1990].ref._replace(size_bytes=2)]
    assert ledger.unsettled(asked) == asked[1:]
    assert sum(counts) < 60
