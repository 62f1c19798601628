import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch.errors import LedgerError, OutboxError
from batch.outbox import corrections
from batch.outbox.corrections import CorrectionStore
from batch.outbox.ledger import Ledger, open_ledger
from batch.outbox.retry import ScanFilter, retry_scans
from batch.records import Reason, Status
from batch.results.corrected import Correction, Corrections
from published import four, publish


def correction(file: str, label: str, source: str = "/scans", page: int | None = None) -> Correction:
    return Correction(
        file=file,
        sha256="0" * 64,
        page=page,
        source=source,
        said="7",
        corrected=label,
        corrected_by="Anna",
        reviewed_at="2026-01-02T13:00:00Z",
        applied_at="2026-01-02T14:00:00Z",
        comment="=why",
    )


def answer_of(known: Corrections, file: str, page: int | None, source: str) -> str:
    found = known.find(file, page, "0" * 64, source)
    return "" if found is None or found.corrected == "open" else found.corrected


def test_the_last_correction_of_a_scan_counts(tmp_path: Path) -> None:
    a, b = correction("a", "4"), correction("b", "5", page=2)
    with closing(CorrectionStore(tmp_path)) as store:
        store.add([correction("a", "3"), b, correction("a", "1", "/elsewhere"), a])
    loaded = corrections.load(tmp_path)
    assert loaded.find("a", None, "0" * 64, "/scans") == a
    assert loaded.find("b", 2, "0" * 64, "/scans") == b
    missing = [
        ("b", None, "0", "/scans"),
        ("b", 1, "0", "/scans"),
        ("a", None, "1", "/scans"),
        ("a", None, "0", "/x"),
    ]
    assert [loaded.find(file, page, digit * 64, source) for file, page, digit, source in missing] == [
        None
    ] * 4


def test_a_store_tells_of_each_correction_once(tmp_path: Path) -> None:
    with closing(CorrectionStore(tmp_path)) as store:
        for label in ("4", "5"):
            store.add([correction("a", label)])
            assert [added.corrected for added in store.refresh()] == [label]
            assert store.refresh() == store.refresh() == []


def test_other_processes_see_what_is_added(tmp_path: Path) -> None:
    with closing(CorrectionStore(tmp_path)) as first, closing(CorrectionStore(tmp_path)) as second:
        first.add([correction("a", "3")])
        assert [added.corrected for added in second.refresh()] == ["3"]
        second.add([correction("a", "4")])
        assert [added.corrected for added in first.refresh()] == ["3", "4"]
        assert answer_of(first.current, "a", None, "/scans") == "4"
        assert (first.refresh(), second.refresh()) == ([], [correction("a", "4")])


def test_each_name_of_a_scan_has_the_answer_that_was_given_to_it(tmp_path: Path) -> None:
    """If an answer is given to one name only, it is one to all."""
    (tmp_path / ".digitbox").mkdir()
    with closing(Ledger(tmp_path / ".digitbox")) as ledger:
        ledger.execute("INSERT INTO renamed VALUES ('/scans', 'a-2', ?, 'a')", (correction("a", "3").sha256,))
    both = [correction("a", "3"), correction("a-2", "8")]
    with closing(CorrectionStore(tmp_path)) as store:
        store.add(both)
        assert [added.corrected for added in store.refresh()] == ["3", "8"]
        store.add(both[:1])
        assert [(added.file, added.corrected) for added in store.refresh()] == [("a", "3"), ("a-2", "3")]


def test_two_processes_may_make_the_file_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    others: list[str] = []

    class Slow(sqlite3.Connection):
        """A connection whose process is slower than another to make the tables."""

        def executescript(self, script: str, /) -> sqlite3.Cursor:
            if not others:
                others.append("comes")
                with closing(CorrectionStore(tmp_path)) as store:
                    store.add([correction("a", "3")])
            return super().executescript(script)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **options: connect(*a, factory=Slow, **options))
    with closing(CorrectionStore(tmp_path)) as store:
        assert answer_of(store.current, "a", None, "/scans") == "3"


@pytest.mark.parametrize("is_removed", [False, True])
def test_an_answer_is_refused_if_the_file_was_replaced(tmp_path: Path, is_removed: bool) -> None:
    path = tmp_path / ".digitbox" / "corrections.sqlite3"
    with closing(CorrectionStore(tmp_path)) as store:
        store.add([correction("a", "3")])
        shutil.copy2(path, tmp_path / "copy")
        path.rename(tmp_path / "before")
        if not is_removed:
            (tmp_path / "copy").rename(path)
        for _ in range(2):
            with pytest.raises(OutboxError, match="somebody moved or replaced"):
                store.add([correction("a", "4")])
            with pytest.raises(OutboxError, match="somebody moved or replaced"):
                store.refresh()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert list(corrections.load(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_an_error(tmp_path: Path) -> None:
    with closing(CorrectionStore(tmp_path)) as store:
        store.add([correction("a", "3")])
    (tmp_path / ".digitbox" / "corrections.sqlite3").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(LedgerError, match="what people said of scans does not count"):
        corrections.load(tmp_path)


SCANS = st.tuples(st.sampled_from("ab"), st.sampled_from([None, 1]), st.sampled_from(["", "/s", "/t"]))


@given(st.lists(st.tuples(SCANS, st.sampled_from(["1", "none", "open"]))), SCANS)
def test_a_missing_source_matches_any(
    said: list[tuple[tuple[str, int | None, str], str]], wanted: tuple[str, int | None, str]
) -> None:
    known = Corrections(correction(file, label, source, page) for (file, page, source), label in said)
    file, page, source = wanted
    matching = [
        label
        for (other_file, other_page, other_source), label in said
        if (other_file, other_page) == (file, page)
        and (source == other_source or "" in (source, other_source))
    ]
    expected = matching[-1] if matching and matching[-1] != "open" else ""
    assert answer_of(known, file, page, source) == expected


@pytest.mark.parametrize("label", ["3", "open"])
def test_a_comment_is_in_a_column_of_its_own(label: str) -> None:
    row: dict[str, Any] = {
        "file": "a.png",
        "page": None,
        "sha256": "0" * 64,
        "source": "/in",
        "status": "review",
    }
    row |= {"reason": "low_confidence", "prediction": 8, "confidence": 0.5}
    said = replace(correction("a.png", label, "/in"), comment="hard; =1\u202e")
    effective = Corrections([said]).apply(row)
    assert effective["comment"] == "hard;' =1\\u202e"
    assert (effective["prediction"], effective["corrected"]) == ((3, "8") if label == "3" else (8, None))
    assert Corrections().apply(row | {"comment": "before"})["comment"] == "before"


def test_counts_are_of_effective_statuses(tmp_path: Path) -> None:
    sure, unsure, blank, _ = outcomes = four(tmp_path / "scans")
    outbox = tmp_path / "out"
    publish(outbox, outcomes)
    said = {unsure: "3", blank: "none", sure: "none"}
    with closing(CorrectionStore(outbox)) as store:
        store.add(
            [
                Correction(
                    file=outcome.ref.name,
                    sha256=outcome.sha256,
                    source=outcome.ref.source,
                    said="",
                    corrected=label,
                    corrected_by="Anna",
                    reviewed_at="",
                    applied_at="",
                )
                for outcome, label in said.items()
            ]
        )
    with open_ledger(outbox, read_only=True) as ledger:
        counts = corrections.count_by_status(ledger, corrections.load(outbox))
    assert counts == {Status.OK: 1, Status.REVIEW: 0, Status.REFUSED: 2, Status.FAILED: 1}


@pytest.mark.parametrize(
    ("said", "in_review", "retried"),
    [
        ({}, 1, {"ok", "refused", "review"}),
        ({2: "3"}, 1, {"ok", "refused", "review"}),
        ({2: "3", 4: "none"}, 0, {"ok", "refused"}),
        ({2: "3", 4: "none", 5: "open"}, 0, {"ok", "refused"}),
        ({2: "3", 3: "7", 4: "2"}, 0, {"ok"}),
        ({5: "none", 3: "7"}, 1, {"ok", "refused", "review"}),
        ({2: "open", 4: "3"}, 1, {"ok", "refused", "review"}),
    ],
)
def test_an_answer_counts_for_its_page(
    tmp_path: Path, said: dict[int, str], in_review: int, retried: set[str]
) -> None:
    scan = four(tmp_path / "scans")[0]
    doubtful = {2: (Status.REVIEW, Reason.LOW_CONFIDENCE), 3: (Status.REFUSED, Reason.BLANK)}
    doubtful[4] = doubtful[2]
    pages = []
    for page in range(1, 6):
        status, reason = doubtful.get(page, (Status.OK, None))
        pages.append(scan._replace(page=page, pages=5, status=status, reason=reason))
    outbox = tmp_path / "out"
    publish(outbox, pages)
    with closing(CorrectionStore(outbox)) as store:
        store.add(
            [
                replace(correction(scan.ref.name, label, scan.ref.source), page=page, sha256=scan.sha256)
                for page, label in said.items()
            ]
        )
    with open_ledger(outbox, read_only=True) as ledger:
        counts = corrections.count_by_status(ledger, corrections.load(outbox))
    assert (counts[Status.REVIEW], sum(counts.values())) == (in_review, 1)
    shown: list[str] = []
    chosen = set()
    for status in Status:
        shown.clear()
        retry_scans(outbox, ScanFilter(statuses=(status,)), shown.append)
        chosen |= {status.value} if shown else set()
    assert chosen == retried
